"""A CVAT server with the verbs of `Cvat`: each hands a generator of the server's dialect to the client.

What is not a matter of requests and answers happens here: files are put in place, and a zip is looked into.
"""

# ruff: noqa: D102 - what each verb promises stands in Cvat

from __future__ import annotations

import logging
import mimetypes
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import SecretStr

from labelyard.cvat.client import Client
from labelyard.domain.annotations import COCO, Annotations, Change
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    About,
    Creation,
    DataSpec,
    Frame,
    GitRepository,
    Job,
    JobStatus,
    Receipt,
    Task,
    TaskChange,
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import CvatDisagrees, InputError

log = logging.getLogger(__name__)

LARGEST_EXPORT = 64 * 1024**3
"""Bytes that an export may unpack to; more is no export."""

_READ = re.compile(r"image/|video/|application/(zip|x-tar|x-rar|vnd\.rar|x-7z-compressed|pdf)")
"""The kinds of files that CVAT makes frames of."""


class Server:
    """A CVAT server; may be shared by threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.url = client.url

    def login(self) -> SecretStr:
        return self._client.token()

    def about(self) -> About:
        return self._client.run(self._client.family.about())

    def whoami(self) -> User:
        return self._client.run(self._client.dialect.whoami())

    def users(self) -> list[User]:
        return self._client.run(self._client.dialect.users())

    def register(self, username: str, password: str, *, email: str = "", first: str = "", last: str = "") -> None:
        self._client.run(self._client.family.register(username, password, email=email, first=first, last=last))

    def logout(self) -> None:
        self._client.run(self._client.dialect.logout())
        self._client.login.forget()

    def create_task(self, spec: TaskSpec) -> Task:
        return self._client.run(self._client.dialect.create_task(spec))

    def find_tasks(self, name: str) -> list[Task]:
        return self._client.run(self._client.dialect.find_tasks(name))

    def tasks(self, **filters: str | int) -> Iterator[Task]:
        page: int | None = 1
        while page:
            tasks, page = self._client.run(self._client.dialect.tasks_page(filters, page))
            yield from tasks

    def task(self, task_id: int) -> Task:
        return self._client.run(self._client.dialect.task(task_id))

    def patch_task(
        self,
        task_id: int,
        *,
        name: str | None = None,
        assignee: int | None = None,
        bug_tracker: str | None = None,
        z_order: bool | None = None,
        labels: Sequence[Label] | None = None,
    ) -> Task:
        kept = None if labels is None else tuple(labels)
        change = TaskChange(name, assignee, bug_tracker, z_order, kept)
        return self._client.run(self._client.dialect.patch_task(task_id, change))

    def delete_task(self, task_id: int) -> None:
        self._client.run(self._client.dialect.delete_task(task_id))

    def git_repository(self, task_id: int) -> GitRepository:
        return self._client.run(self._client.dialect.git_repository(task_id))

    def upload(
        self,
        task_id: int,
        files: Sequence[UploadFile],
        data: DataSpec,
        sent: Callable[[int], None] | None = None,
    ) -> Receipt:
        _warn_of_ignored(files)
        return self._client.run(self._client.dialect.upload(task_id, files, data), sent=sent)

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Receipt:
        return self._client.run(self._client.dialect.upload_remote(task_id, urls, data))

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Receipt:
        return self._client.run(self._client.dialect.upload_share(task_id, paths, data))

    def creation(self, receipt: Receipt) -> Creation:
        return self._client.run(self._client.dialect.creation(receipt))

    def frames(self, task_id: int) -> list[Frame]:
        return self._client.run(self._client.dialect.frames(task_id))

    def jobs(self, task_id: int) -> list[Job]:
        return self._client.run(self._client.dialect.jobs(task_id))

    def assign(self, job_id: int, user_id: int | None) -> Job:
        return self._client.run(self._client.dialect.assign(job_id, user_id))

    def set_job_status(self, job_id: int, status: JobStatus) -> Job:
        return self._client.run(self._client.dialect.set_job_status(job_id, status))

    def annotations(self, job_id: int) -> Annotations:
        return self._client.run(self._client.dialect.annotations(job_id))

    def task_annotations(self, task_id: int) -> Annotations:
        return self._client.run(self._client.dialect.task_annotations(task_id))

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Annotations:
        return self._client.run(self._client.dialect.change_annotations(job_id, change, annotations))

    def export(self, task_id: int, to: Path, *, format_name: str = COCO, deadline: float = 600.0) -> str:
        part = to.with_name(f".{to.name}.part")
        try:
            name = self._client.run(self._client.dialect.export(task_id, part, format_name), deadline=deadline)
            _check_zip(part, f"{format_name} of task {task_id}")
            part.replace(to)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", where=str(to)) from error
        finally:
            part.unlink(missing_ok=True)
        return name

    def import_annotations(self, task_id: int, file: Path, *, format_name: str = COCO, deadline: float = 600.0) -> None:
        body = UploadFile(file.name, file.stat().st_size, lambda: file.open("rb"))
        self._client.run(self._client.dialect.import_annotations(task_id, body, format_name), deadline=deadline)

    def close(self) -> None:
        self._client.close()


def _warn_of_ignored(files: Sequence[UploadFile]) -> None:
    """CVAT goes by the endings of names, and leaves out in silence what none of its readers wants."""
    ignored = [file.name for file in files if not _READ.match(mimetypes.guess_type(file.name, strict=False)[0] or "")]
    if ignored:
        shown = ", ".join(repr(name) for name in ignored[:5]) + (", …" if len(ignored) > 5 else "")
        log.warning("%d of %d files have names that are not those of images; CVAT will skip them silently: %s",
                    len(ignored), len(files), shown)  # fmt: skip


def _check_zip(path: Path, what: str) -> None:
    """Raise CvatDisagrees unless the file is a whole zip whose members are what their checksums say."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            bad = archive.testzip() if size <= LARGEST_EXPORT else None
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise CvatDisagrees(f"the export is not a zip file: {error}", where=what) from error
    if size > LARGEST_EXPORT:
        raise CvatDisagrees(f"the export would unpack to {size} bytes", where=what)
    if bad:
        raise CvatDisagrees(f"the export's {bad!r} is damaged", where=what)
