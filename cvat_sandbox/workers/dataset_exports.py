"""Exports of CVAT 2.x: requests that write a file for download.

A file belongs to a request. It is replaced when the same request is started again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from cvat_sandbox.formats.v2 import backups
from cvat_sandbox.formats.v2.loading import Target, read_snapshot
from cvat_sandbox.formats.v2.registry import EXPORTERS
from cvat_sandbox.workers.requests import Order, Outcome

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.cloud_files import CloudFiles
    from cvat_sandbox.workers.requests import Requests

MIN_SECONDS = 0.06
"""The fastest recorded export took longer. A client that asks twice at once receives 409."""
KEPT_SECONDS = 86400
"""How long a file can be downloaded."""
BACKUP = "backup"
Deliver = Callable[[Path, str], None]


@dataclass(frozen=True)
class Subject:
    """What is exported: a task, a job or a project."""

    target: Target
    row: sqlite3.Row
    project_id: int | None
    task_id: int | None = None
    job_id: int | None = None

    @classmethod
    def of(cls, target: Target, row: sqlite3.Row) -> Subject:
        """Return the subject of a row. A job has the columns of `state.jobs.SELECT`."""
        if target == "project":
            return cls(target, row, row["id"])
        if target == "job":
            return cls(target, row, row["project_id"], row["task_id"], row["id"])
        return cls(target, row, row["project_id"], row["id"])

    @property
    def id(self) -> int:
        """The id of the task, job or project."""
        return int(self.row["id"])

    def order(self, rq_id: str, owner: int, action: str, subresource: str, format_name: str | None = None) -> Order:
        """Return the order of a request about it."""
        return Order(
            rq_id, owner, action, self.target, self.id, subresource, format_name, self.project_id, self.task_id,
            self.job_id, self.row["organization_id"],
        )  # fmt: skip


class DatasetExports:
    """The exports of all tasks, jobs and projects."""

    def __init__(self, db: Database, requests: Requests, folder: Path, cloud: CloudFiles) -> None:
        self._db, self._requests, self._media, self._cloud = db, requests, folder / "data", cloud
        self._folder = folder / "downloads"
        self._folder.mkdir(exist_ok=True)
        known = {row["file"] for row in db.all("SELECT file FROM request WHERE file IS NOT NULL")}
        for file in self._folder.iterdir():
            if str(file) not in known:
                file.unlink()

    def start(
        self, subject: Subject, owner: int, format_name: str, *, images: bool, filename: str = "", host: str = "",
        deliver: Deliver | None = None,
    ) -> str:  # fmt: skip
        """Queue an export and return the id of its request. Raises RequestRunning.

        host: for the addresses in CVAT's XML. deliver: takes the file and its name to another place, too; the request
        has no address then, but the file can be downloaded.
        """
        subresource = "dataset" if images else "annotations"
        rq_id = f"{_prefix(subject, owner)}&format={_encoded(format_name)}&subresource={subresource}"
        name = filename or file_name(subject, subresource, format_name)

        def write(out: BinaryIO) -> None:
            if images:
                self._fetch_images(subject)
            taken = read_snapshot(self._db, subject.target, subject.id, host, self._media)
            EXPORTERS[format_name](taken, out, images=images)

        order = subject.order(rq_id, owner, "export", subresource, format_name)
        return self._start(order, "dataset", name, write, deliver)

    def _fetch_images(self, subject: Subject) -> None:
        """Bring the images of cloud storages here."""
        column, key = ("project_id", subject.project_id) if subject.target == "project" else ("id", subject.task_id)
        for task in self._db.all(f"SELECT data_id FROM task WHERE {column} = ?", key):  # noqa: S608 - the names are constants
            self._cloud.fetch_all(task["data_id"], self._media / str(task["data_id"]) / "raw")

    def start_backup(self, subject: Subject, owner: int, *, filename: str = "", deliver: Deliver | None = None) -> str:
        """Queue the backup of a task and return the id of its request. Raises RequestRunning."""
        order = subject.order(f"{_prefix(subject, owner)}&subresource={BACKUP}", owner, "export", BACKUP)

        def write(out: BinaryIO) -> None:
            self._fetch_images(subject)
            backups.write(read_snapshot(self._db, subject.target, subject.id, "", self._media), out)

        return self._start(order, BACKUP, filename or file_name(subject, BACKUP), write, deliver)

    def _start(
        self, order: Order, kind: str, name: str, write: Callable[[BinaryIO], None], deliver: Deliver | None
    ) -> str:
        file = self._folder / f"{hashlib.sha256(order.rq_id.encode()).hexdigest()}.zip"

        def work(_report: Callable[[str], None]) -> Outcome:
            time.sleep(MIN_SECONDS)
            unfinished = file.with_suffix(".part")
            with unfinished.open("w+b") as out:
                write(out)
            os.replace(unfinished, file)  # noqa: PTH105 - a download of the earlier file continues
            if deliver is not None:
                deliver(file, name)
                return Outcome(file=file)
            path = f"/api/{order.target}s/{order.target_id}/{kind}/download"
            return Outcome(result_url=f"{path}?rq_id={quote(order.rq_id, safe='')}", file=file)

        arguments = json.dumps({"filename": name})
        return self._requests.start(order, work, fault="export", arguments=arguments, kept=KEPT_SECONDS)


def _prefix(subject: Subject, owner: int) -> str:
    return f"action=export&target={subject.target}&target_id={subject.id}&user_id={owner}"


def _encoded(format_name: str) -> str:
    return format_name.replace(" ", "_").replace(".", "~")


def file_name(subject: Subject, subresource: str, format_name: str = "") -> str:
    """Return the name of a download, with the time of the last change."""
    changed = re.sub(r"[-T:]", "_", subject.row["updated_date"][:19])
    if subresource == BACKUP:
        return f"{subject.target}_{subject.row['name']}_{BACKUP}_{changed}.zip"
    return f"{subject.target}_{subject.id}_{subresource}_{changed}_{format_name.lower()}.zip"
