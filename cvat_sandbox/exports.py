"""Exports: 202 while a worker writes, 201 when the file is ready, 200 once for whoever fetches it first.

The file is kept and served again until the task's updated_date is later than the file's own time, which is the END of
the export; the database is read at its START. A write between the two is lost until the next one.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cvat_sandbox import snapshot
from cvat_sandbox.answers import Answer, Refusal, in_words
from cvat_sandbox.formats import EXPORTERS

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state import Store
    from cvat_sandbox.workers import WorkerPool


QUICKEST = 0.06
"""Seconds that an export takes at least: the fastest recorded one. Who asks twice in a row sees 202 twice."""


@dataclass
class Job:
    """An export as the queue knows it."""

    requested: float
    state: str = "queued"
    file: Path | None = None
    error: str = ""


@dataclass(frozen=True)
class Download:
    """A file to send, and the Content-Disposition to send it with."""

    file: Path
    disposition: str


class Exports:
    """The exports of all tasks; a job belongs to a task, a kind and a format, not to a user."""

    def __init__(self, store: Store, workers: WorkerPool, folder: Path, faults: Faults) -> None:
        self._store, self._workers, self._folder, self._faults = store, workers, folder, faults
        self._jobs: dict[tuple[int, str, str], Job] = {}
        self._lock = threading.Lock()

    def ask(self, task: sqlite3.Row, kind: str, query: dict[str, str], host: str) -> Answer | Download:
        """One look at an export: starts it, tells how far it is, or hands over the file and forgets the job.

        kind: `annotations`, or `dataset` for one with the images.
        """
        action, format_name = query.get("action", "").lower(), query.get("format", "")
        if action not in {"", "download"}:
            raise Refusal(400, ["Unexpected action specified for the request"])
        if format_name not in EXPORTERS:
            raise Refusal(400, ["Unknown format specified for the request"])
        key, updated = (task["id"], kind, format_name), moment(task["updated_date"])
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and job.requested < updated:
                job = None
            if job is not None and job.state == "finished":
                assert job.file is not None
                if action != "download":
                    return Answer(status=201)
                del self._jobs[key]
                return Download(job.file, disposition(query.get("filename", "") or _name(task, format_name)))
            if job is not None and job.state == "failed":
                del self._jobs[key]
                return Answer(job.error, 500)
            if job is None:
                job = self._jobs[key] = Job(time.time())
                self._workers.submit(lambda: self._run(key, job, host))
            return Answer(status=202)

    def forget(self, task_id: int) -> None:
        """Drop the jobs and files of a task that is gone."""
        with self._lock:
            self._jobs = {key: job for key, job in self._jobs.items() if key[0] != task_id}

    def _run(self, key: tuple[int, str, str], job: Job, host: str) -> None:
        time.sleep(QUICKEST)
        try:
            job.file = self._write(*key, host)
            job.state = "finished"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the job's text
            job.error = in_words(error) + "\n"
            job.state = "failed"

    def _write(self, task_id: int, kind: str, format_name: str, host: str) -> Path:
        stem = re.sub(r"[^\w-]+", "_", f"{'dataset' if kind == 'dataset' else 'task'}_{format_name.lower()}")
        target = self._folder / "tasks" / str(task_id) / "export_cache" / f"{stem}.zip"
        task = self._store.one("SELECT updated_date FROM task WHERE id = ?", task_id)
        if task and target.exists() and moment(task["updated_date"]) <= target.stat().st_mtime:
            return target
        taken = snapshot.take(self._store, task_id, host, self._folder / "data")
        self._faults.worker("export", task_id)
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


def moment(date: str) -> float:
    """A date of the API as seconds."""
    return dt.datetime.fromisoformat(date).timestamp()


def _name(task: sqlite3.Row, format_name: str) -> str:
    stamp = dt.datetime.fromisoformat(task["updated_date"]).strftime("%Y_%m_%d_%H_%M_%S")
    return f"task_{task['name']}-{stamp}-{format_name}.zip"


def disposition(name: str) -> str:
    """The Content-Disposition of a download, with the bytes that were meant to be text."""
    name = name.lower()
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore")
    return f"attachment; filename=\"{plain!r}\"; filename*=UTF-8''{quote(name)}"
