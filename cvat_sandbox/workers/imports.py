"""Imports: jobs that replace the annotations of a task or job by those of a file."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cvat_sandbox.errors import failure_text
from cvat_sandbox.formats import snapshot
from cvat_sandbox.formats.registry import READERS
from cvat_sandbox.state import tracks
from cvat_sandbox.state.annotations import clear_task_annotations, write_job_annotations, write_task_annotations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.pool import WorkerPool


@dataclass
class Import:
    """An import as the queue knows it."""

    file: Path
    state: Literal["queued", "finished", "failed"] = "queued"
    error: str = ""


class Imports:
    """The imports of all tasks and jobs. Each user has an import of their own."""

    def __init__(self, db: Database, workers: WorkerPool, folder: Path) -> None:
        self._db, self._workers, self._folder = db, workers, folder
        self._imports: dict[tuple[str, str, int], Import] = {}
        self._lock = threading.Lock()

    def poll(self, user: str, kind: str, row: sqlite3.Row, format_name: str, receive: Callable[[], Path]) -> Import:
        """Start an import, or return how far it is; one that has ended is forgotten once it was returned.

        kind: `task` or `job`, of which `row` is the row. receive: saves the file of the request and returns its path;
        it is called only to start an import.
        """
        key = (user, kind, int(row["id"]))
        with self._lock:
            found = self._imports.get(key)
            if found is not None:
                current = replace(found)  # the worker changes the other one
                if current.state != "queued":
                    del self._imports[key]
                    current.file.unlink(missing_ok=True)
                return current
        return self._start(key, Import(receive()), format_name, row)

    def _start(self, key: tuple[str, str, int], started: Import, format_name: str, row: sqlite3.Row) -> Import:
        queued = replace(started)
        with self._lock:
            self._imports[key] = started
        self._workers.submit(lambda: self._run(started, format_name, key[1], row))
        return queued

    def _run(self, running: Import, format_name: str, kind: str, row: sqlite3.Row) -> None:
        try:
            self._read(running.file, format_name, kind, row)
            running.state = "finished"
        except Exception as error:  # noqa: BLE001 - any failure becomes the text of the job
            running.error = failure_text(error) + "\n"
            running.state = "failed"

    def _read(self, file: Path, format_name: str, kind: str, row: sqlite3.Row) -> None:
        """Replace the annotations by those of the file, in one transaction."""
        if format_name not in READERS:
            raise NotImplementedError(f"the sandbox imports {', '.join(READERS)} only")
        task_id = row["id"] if kind == "task" else row["task_id"]
        with self._db.transaction():
            taken = snapshot.read_snapshot(self._db, task_id, "", self._folder / "data")
            with file.open("rb") as source:
                data = READERS[format_name](taken, source)
            if kind == "task":
                clear_task_annotations(self._db, task_id)
                write_task_annotations(self._db, task_id, "create", data)
            else:
                write_job_annotations(self._db, row["id"], "put", None)
                part = tracks.cut_to_frames(data, row["start_frame"], row["stop_frame"])
                write_job_annotations(self._db, row["id"], "create", part)
