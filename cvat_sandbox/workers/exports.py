"""Exports: jobs that write the files of a task's annotations.

The file is kept, and served again until the `updated_date` of the task is later than the time of the file. That time
is the end of the export, but the database is read at its start. So a write in between is missing from the file until
the next write, as on the real server.
"""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cvat_sandbox.errors import failure_text
from cvat_sandbox.formats import snapshot
from cvat_sandbox.formats.registry import EXPORTERS
from cvat_sandbox.state.database import timestamp

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.pool import WorkerPool

MIN_SECONDS = 0.06
"""The duration of the fastest recorded export. A client that polls twice at once receives 202 twice."""


@dataclass
class ExportJob:
    """An export as the queue knows it."""

    requested: float
    state: Literal["queued", "finished", "failed"] = "queued"
    file: Path | None = None
    error: str = ""


class Exports:
    """The exports of all tasks. One belongs to a task, a kind and a format, and all users share it."""

    def __init__(self, db: Database, workers: WorkerPool, folder: Path, faults: Faults) -> None:
        self._db, self._workers, self._folder, self._faults = db, workers, folder, faults
        self._exports: dict[tuple[int, str, str], ExportJob] = {}
        self._lock = threading.Lock()

    def poll(self, task: sqlite3.Row, kind: str, format_name: str, host: str, *, take: bool) -> ExportJob:
        """Start an export, or return how far it is.

        A failed export is forgotten once it was returned, a finished one only with `take`.
        kind: `annotations`, or `dataset` for a file with the images.
        """
        key, updated = (task["id"], kind, format_name), timestamp(task["updated_date"])
        with self._lock:
            export = self._exports.get(key)
            if export is None or export.requested < updated:
                return self._start(key, host)
            current = replace(export)  # the worker changes the other one
            if current.state == "failed" or (current.state == "finished" and take):
                del self._exports[key]
            return current

    def _start(self, key: tuple[int, str, str], host: str) -> ExportJob:
        export = self._exports[key] = ExportJob(time.time())
        started = replace(export)
        self._workers.submit(lambda: self._run(key, export, host))
        return started

    def forget(self, task_id: int) -> None:
        """Forget the exports of a deleted task."""
        with self._lock:
            self._exports = {key: export for key, export in self._exports.items() if key[0] != task_id}

    def _run(self, key: tuple[int, str, str], export: ExportJob, host: str) -> None:
        time.sleep(MIN_SECONDS)
        try:
            export.file = self._write(*key, host)
            export.state = "finished"
        except Exception as error:  # noqa: BLE001 - any failure becomes the text of the job
            export.error = failure_text(error) + "\n"
            export.state = "failed"

    def _write(self, task_id: int, kind: str, format_name: str, host: str) -> Path:
        stem = re.sub(r"[^\w-]+", "_", f"{'dataset' if kind == 'dataset' else 'task'}_{format_name.lower()}")
        target = self._folder / "tasks" / str(task_id) / "export_cache" / f"{stem}.zip"
        task = self._db.one("SELECT updated_date FROM task WHERE id = ?", task_id)
        if task and target.exists() and timestamp(task["updated_date"]) <= target.stat().st_mtime:
            return target
        taken = snapshot.read_snapshot(self._db, task_id, host, self._folder / "data")
        self._faults.run_worker("export", task_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(f".{threading.get_ident()}")
        try:
            with temporary.open("wb") as out:
                EXPORTERS[format_name](taken, out, images=kind == "dataset")
            os.utime(temporary, (time.time(),) * 2)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target
