"""The client of a CVAT server: one class with all verbs, each run as an exchange of the server's dialect."""

from __future__ import annotations

import logging
import mimetypes
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import SecretStr

from labelyard.cvat.client_of_2 import ClientOf2
from labelyard.cvat.credentials import Credentials
from labelyard.cvat.dialects import DIALECTS
from labelyard.cvat.quirks import Quirks
from labelyard.cvat.runner import Clock, Runner
from labelyard.cvat.transport import HttpTransport
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
    JobStep,
    Receipt,
    Task,
    TaskChange,
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import CvatDisagrees, InputError

log = logging.getLogger(__name__)

MAX_EXPORT_BYTES = 64 * 1024**3
"""Unpacked bytes of the largest export that is accepted."""

_FRAME_TYPES = re.compile(r"image/|video/|application/(zip|x-tar|x-rar|vnd\.rar|x-7z-compressed|pdf)")
"""The file types that CVAT creates frames from."""


def connect(
    url: str,
    *,
    username: str | None = None,
    password: SecretStr | str | None = None,
    token: SecretStr | str | None = None,
    dialect: str = "auto",
    organization: str = "",
    clock: Clock = time,
    timeout: float = 60.0,
) -> Cvat:
    """Return a client of the CVAT at `url`, with a token or a name and password; close it after use.

    `organization` is the short name of the only organization that the client reads and writes, for CVAT 2.x. Nothing is
    sent before the first verb. `timeout` is in seconds, for one silent request; verbs that wait have deadlines of their
    own. Raises InputError for an invalid address or an unknown dialect.
    """
    if dialect not in {"auto", *DIALECTS}:
        raise InputError(f"the dialect {dialect!r} is unknown; use auto, {' or '.join(DIALECTS)}")
    families = list(DIALECTS.values()) if dialect == "auto" else [DIALECTS[dialect]]
    credentials = Credentials(username, _secret(password), _secret(token))
    return Cvat(Runner(HttpTransport(url, timeout), credentials, families, clock, organization))


def _secret(value: SecretStr | str | None) -> SecretStr | None:
    return SecretStr(value) if isinstance(value, str) else value


class Cvat(ClientOf2):
    """A CVAT server; may be shared by threads. Every verb raises a CvatError with the server's message.

    Requests that are safe to repeat are retried. A lost response to any other raises UnclearAnswer: read the server's
    state before you repeat it.
    """

    @property
    def url(self) -> str:
        """The server's address without a path, for links."""
        return self._runner.transport.url

    @property
    def organization(self) -> str:
        """The short name of the client's organization; empty if it has none."""
        return self._runner.organization

    @property
    def quirks(self) -> Quirks:
        """What distinguishes the server from others; with `auto` the server is asked once."""
        return self._runner.dialect.quirks

    @property
    def family(self) -> str:
        """The name of the server's dialect in DIALECTS; with `auto` the server is asked once."""
        found = type(self._runner.family)
        return next(name for name, dialect in DIALECTS.items() if type(dialect) is found)

    def in_organization(self, slug: str) -> Cvat:
        """Return a client that shares this one's session and connections, and reads and writes in an organization."""
        return Cvat(self._runner.in_organization(slug))

    def close(self) -> None:
        """Close the connections; the token stays valid."""
        self._runner.transport.close()

    # --- accounts ----------------------------------------------------------------------------------------------------

    def login(self) -> SecretStr:
        """Return this client's token; logs in if it has none yet. Raises CvatUnauthorized."""
        return self._runner.token()

    def logout(self) -> None:
        """Delete the user's one token, which all of the user's clients share. The pipeline never does this."""
        self._runner.run(self._runner.dialect.logout())
        self._runner.credentials.forget()

    @property
    def can_register(self) -> bool:
        """Whether `register` exists in the server's API family."""
        return self._runner.family.can_register

    def register(self, username: str, password: str, *, email: str = "", first: str = "", last: str = "") -> None:
        """Create an account. Raises CvatRefused with the server's objections."""
        self._runner.run(self._runner.family.register(username, password, email=email, first=first, last=last))

    def about(self) -> About:
        """Return the server's name and version."""
        return self._runner.run(self._runner.family.about())

    def whoami(self) -> User:
        """Return the account of this client."""
        return self._runner.run(self._runner.dialect.whoami())

    def users(self) -> list[User]:
        """Return all users that this account may see, by id."""
        return self._runner.run(self._runner.dialect.users())

    def assignable_users(self) -> list[User]:
        """Return the users to whom jobs may be given, by id: those who may log in, and are members.

        CVAT gives a job to anyone, and one who is no member of its organization may be unable to open it.
        """
        users = [user for user in self.users() if user.is_active]
        if not self.organization:
            return users
        members = {member.user.id for member in self.members() if member.is_active}
        return [user for user in users if user.id in members]

    # --- tasks -------------------------------------------------------------------------------------------------------

    def create_task(self, spec: TaskSpec) -> Task:
        """Create a task without data; call `find_tasks` first. Raises LabelError before anything is sent."""
        return self._runner.run(self._runner.dialect.create_task(spec))

    def find_tasks(self, name: str) -> list[Task]:
        """Return every task with exactly this name (case-sensitive), oldest first."""
        return self._runner.run(self._runner.dialect.find_tasks(name))

    def tasks(self, **filters: str | int) -> Iterator[Task]:
        """Yield the tasks that match the server's own filters (name, owner, assignee, status, search), oldest first."""
        page: int | None = 1
        while page:
            tasks, page = self._runner.run(self._runner.dialect.tasks_page(filters, page))
            yield from tasks

    def task(self, task_id: int) -> Task:
        """Return one task, not from the server's cache. Raises CvatNotFound, or CvatHidden for lack of permission."""
        return self._runner.run(self._runner.dialect.task(task_id))

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
        """Change the given fields; assignee 0 removes the assignee.

        Labels are matched by name and never deleted; an attribute without values keeps its present ones.
        """
        change = TaskChange(name, assignee, bug_tracker, z_order, None if labels is None else tuple(labels))
        return self._runner.run(self._runner.dialect.patch_task(task_id, change))

    def delete_task(self, task_id: int) -> None:
        """Delete a task. Only at rest, never while the server creates its frames."""
        self._runner.run(self._runner.dialect.delete_task(task_id))

    def git_repository(self, task_id: int) -> GitRepository:
        """Return the Git repository that a task is connected to."""
        return self._runner.run(self._runner.dialect.git_repository(task_id))

    # --- data --------------------------------------------------------------------------------------------------------

    def upload(
        self,
        task_id: int,
        files: Sequence[UploadFile],
        data: DataSpec,
        on_progress: Callable[[int], None] | None = None,
    ) -> Receipt:
        """Stream files in one multipart request; `on_progress` receives the bytes sent so far.

        Never repeat it after UnclearAnswer: a second upload adds jobs. An exception from `on_progress` ends the upload
        and is raised unchanged; the server may then have all, some or none of it.
        """
        _warn_of_ignored(files)
        return self._runner.run(self._runner.dialect.upload(task_id, files, data), on_progress=on_progress)

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Receipt:
        """Let the server download `urls`; a frame's name is the last part of its URL's path."""
        return self._runner.run(self._runner.dialect.upload_remote(task_id, urls, data))

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Receipt:
        """Let the server read `paths` of its own share."""
        return self._runner.run(self._runner.dialect.upload_share(task_id, paths, data))

    def creation(self, receipt: Receipt) -> Creation:
        """Return the server's status of creating frames, which never proves success."""
        return self._runner.run(self._runner.dialect.creation(receipt))

    def frames(self, task_id: int) -> list[Frame]:
        """Return the frames in the server's order; none before the upload."""
        return self._runner.run(self._runner.dialect.frames(task_id))

    # --- jobs and annotations ----------------------------------------------------------------------------------------

    def jobs(self, task_id: int) -> list[Job]:
        """Return the task's annotation jobs, by first frame."""
        return self._runner.run(self._runner.dialect.jobs(task_id))

    def job(self, job_id: int) -> Job:
        """Return one job, a ground-truth job or a replica too. Raises CvatNotFound."""
        return self._runner.run(self._runner.dialect.job(job_id))

    def assign(self, job_id: int, user_id: int | None) -> Job:
        """Assign a job to a user; None removes its assignee."""
        return self._runner.run(self._runner.dialect.assign(job_id, user_id))

    def set_job_status(self, job_id: int, status: JobStatus) -> Job:
        """Set the status of a job."""
        return self._runner.run(self._runner.dialect.set_job_status(job_id, status))

    def move_job(self, job_id: int, step: JobStep, user_id: int | None) -> Job:
        """Do a step of a review: set the job's stage and state, and assign it."""
        return self._runner.run(self._runner.dialect.move_job(job_id, step, user_id))

    def reject_job(self, job_id: int) -> Job:
        """Reject a job, as its reviewer; on CVAT 1.x its status is annotation again."""
        return self._runner.run(self._runner.dialect.reject_job(job_id))

    def annotations(self, job_id: int) -> Annotations:
        """Return the annotations of a job."""
        return self._runner.run(self._runner.dialect.annotations(job_id))

    def task_annotations(self, task_id: int) -> Annotations:
        """Return the annotations of all jobs of a task."""
        return self._runner.run(self._runner.dialect.task_annotations(task_id))

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Annotations:
        """Create, update or delete annotations; return what was written, with ids."""
        return self._runner.run(self._runner.dialect.change_annotations(job_id, change, annotations))

    # --- export and import -------------------------------------------------------------------------------------------

    def export(self, task_id: int, to: Path, *, format_name: str = COCO, deadline: float = 600.0) -> str:
        """Write a finished export to `to`, whole or not at all; return the server's name for it.

        The file may be stale: the server keeps an export that ran during a save, and returns it until the next real
        write. `deadline` is in seconds.
        """
        part = to.with_name(f".{to.name}.part")
        try:
            name = self._runner.run(self._runner.dialect.export(task_id, part, format_name), deadline=deadline)
            _check_zip(part, f"{format_name} of task {task_id}")
            part.replace(to)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", where=str(to)) from error
        finally:
            part.unlink(missing_ok=True)
        return name

    def export_formats(self) -> list[str]:
        """Return the names of the formats that the server can write."""
        return self._runner.run(self._runner.dialect.export_formats())

    def import_annotations(self, task_id: int, file: Path, *, format_name: str = COCO, deadline: float = 600.0) -> None:
        """Replace a task's annotations with those of a file. `deadline` is in seconds."""
        body = UploadFile(file.name, file.stat().st_size, lambda: file.open("rb"))
        self._runner.run(self._runner.dialect.import_annotations(task_id, body, format_name), deadline=deadline)


def _warn_of_ignored(files: Sequence[UploadFile]) -> None:
    """Log the files that CVAT ignores without an error, because of the extensions of their names."""
    types = {file.name: mimetypes.guess_type(file.name, strict=False)[0] or "" for file in files}
    ignored = [file.name for file in files if not _FRAME_TYPES.match(types[file.name])]
    if ignored:
        shown = ", ".join(repr(name) for name in ignored[:5]) + (", …" if len(ignored) > 5 else "")
        log.warning("%d of %d files have no extension of an image; CVAT will ignore them: %s",
                    len(ignored), len(files), shown)  # fmt: skip


def _check_zip(path: Path, what: str) -> None:
    """Raise CvatDisagrees unless the file is a complete zip with correct checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            bad = archive.testzip() if size <= MAX_EXPORT_BYTES else None
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise CvatDisagrees(f"the export is not a zip file: {error}", where=what) from error
    if size > MAX_EXPORT_BYTES:
        raise CvatDisagrees(f"the export would unpack to {size} bytes", where=what)
    if bad:
        raise CvatDisagrees(f"the export's {bad!r} is damaged", where=what)
