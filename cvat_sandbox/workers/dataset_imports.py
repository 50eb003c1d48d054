"""Imports of CVAT 2.x: requests that replace the annotations of a task or job by those of a file."""

from __future__ import annotations

import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING

from cvat_sandbox.formats.v2.loading import read_snapshot
from cvat_sandbox.formats.v2.registry import READERS
from cvat_sandbox.state import labeled_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.dataset_exports import Subject
    from cvat_sandbox.workers.requests import Requests

KEPT_SECONDS = 3600


def rq_id_of(subject: Subject) -> str:
    """Return the id of the import into a task or job. All users share it."""
    return f"action=import&target={subject.target}&target_id={subject.id}&subresource=annotations"


class DatasetImports:
    """The imports of all tasks and jobs."""

    def __init__(self, db: Database, requests: Requests, folder: Path) -> None:
        self._db, self._requests, self._media = db, requests, folder / "data"

    def start(
        self, subject: Subject, owner: int, format_name: str, file: Path, fetch: Callable[[Path], None] | None = None
    ) -> str:
        """Queue an import and return the id of its request. The file is deleted at the end. Raises RequestRunning.

        fetch: brings the file when the import begins.
        """

        def work(_report: Callable[[str], None]) -> None:
            try:
                if fetch is not None:
                    fetch(file)
                self._read(subject, format_name, file)
            finally:
                file.unlink(missing_ok=True)

        order = subject.order(rq_id_of(subject), owner, "import", "annotations")
        return self._requests.start(order, work, fault="import", kept=KEPT_SECONDS)

    def _read(self, subject: Subject, format_name: str, file: Path) -> None:
        """Replace the annotations by those of the file, in one transaction."""
        folder = "/home/django/data/tmp/tmp" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
        with self._db.transaction(), file.open("rb") as source:
            taken = read_snapshot(self._db, subject.target, subject.id, "", self._media)
            data = READERS[format_name](taken, source, folder)
            write = labeled_data.write_task if subject.target == "task" else labeled_data.write_job
            write(self._db, subject.id, "put", data)
