"""Imports of annotation files: 202 while a worker reads, 201 once when it has; a job of its own for each user."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox import annotating, coco, snapshot, tracks
from cvat_sandbox.answers import Answer, in_words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from cvat_sandbox.state import Store
    from cvat_sandbox.workers import WorkerPool

READERS: dict[str, Callable[[snapshot.Snapshot, BinaryIO], dict[str, Any]]] = {"COCO 1.0": coco.read}


@dataclass
class Job:
    """An import as the queue knows it."""

    file: Path
    state: str = "queued"
    error: str = ""


class Imports:
    """The imports of all jobs and tasks."""

    def __init__(self, store: Store, workers: WorkerPool, folder: Path) -> None:
        self._store, self._workers, self._folder = store, workers, folder
        self._jobs: dict[tuple[str, str, int], Job] = {}
        self._lock = threading.Lock()

    def ask(self, who: str, kind: str, row: sqlite3.Row, format_name: str, file: Callable[[], Path]) -> Answer:
        """One look at an import: starts it, or tells how far the one before is, whatever is sent along.

        kind: `task` or `job`. file: takes the file of the request over; called only where an import starts.
        """
        key = (who, kind, int(row["id"]))
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.state in {"finished", "failed"}:
                del self._jobs[key]
                job.file.unlink(missing_ok=True)
                return Answer(status=201) if job.state == "finished" else Answer(job.error, 500)
        if job is None:
            self._start(key, Job(file()), format_name, row)
        return Answer(status=202)

    def _start(self, key: tuple[str, str, int], job: Job, format_name: str, row: sqlite3.Row) -> None:
        with self._lock:
            self._jobs[key] = job
        self._workers.submit(lambda: self._run(job, format_name, key[1], row))

    def _run(self, job: Job, format_name: str, kind: str, row: sqlite3.Row) -> None:
        try:
            self._read(job.file, format_name, kind, row)
            job.state = "finished"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the job's text
            job.error = in_words(error) + "\n"
            job.state = "failed"

    def _read(self, file: Path, format_name: str, kind: str, row: sqlite3.Row) -> None:
        """Replace the annotations by those of the file, as one transaction."""
        if format_name not in READERS:
            raise NotImplementedError(f"the sandbox imports {', '.join(READERS)} only")
        task_id = row["id"] if kind == "task" else row["task_id"]
        with self._store.transaction():
            taken = snapshot.take(self._store, task_id, "", self._folder / "data")
            with file.open("rb") as source:
                data = READERS[format_name](taken, source)
            if kind == "task":
                annotating.clear_task(self._store, task_id)
                annotating.change_task(self._store, task_id, "create", data)
            else:
                annotating.change_job(self._store, row["id"], "put", None)
                part = tracks.sliced(data, row["start_frame"], row["stop_frame"])
                annotating.change_job(self._store, row["id"], "create", part)
