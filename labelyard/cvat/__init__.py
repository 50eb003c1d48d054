"""CVAT, in labelyard's own words: the verbs, and the families of servers that speak them.

Everything that needs a CVAT takes a `Cvat`. `connect` gives one for a real server; which dialect it speaks is looked
up in DIALECTS, or asked of the server (`auto`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from labelyard.cvat.client import Client, Clock, Login
from labelyard.cvat.dialect import Dialect
from labelyard.cvat.server import Server
from labelyard.cvat.v1 import V1
from labelyard.cvat.v2 import V2
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
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import InputError


class Cvat(Protocol):
    """The verbs of a CVAT server. Every one raises a CvatError, and says in it what the server said.

    What is safe to repeat is repeated inside; what is not raises UnclearAnswer when its answer got lost, and the
    caller looks at the server before it does anything again.
    """

    url: str
    """The server's address without a path, for links."""

    def login(self) -> SecretStr:
        """The token that this client uses, fetched now if it was not before. Raises CvatUnauthorized."""

    def about(self) -> About:
        """What server this is."""

    def whoami(self) -> User:
        """Whose account this is."""

    def users(self) -> list[User]:
        """Everybody whom this user may see, by id."""

    def register(self, username: str, password: str, *, email: str = "", first: str = "", last: str = "") -> None:
        """Make an account. Raises CvatRefused with what the server finds wrong."""

    def logout(self) -> None:
        """End the one token of this user, which all of the user's clients share. Nothing in the chain calls this."""

    def create_task(self, spec: TaskSpec) -> Task:
        """Create a task without data; look with `find_tasks` first. Raises LabelError before anything is sent."""

    def find_tasks(self, name: str) -> list[Task]:
        """Every task with exactly this name (case counts), oldest first."""

    def tasks(self, **filters: str | int) -> Iterator[Task]:
        """Tasks that the server's own filters choose (name, owner, assignee, status, search), oldest first."""

    def task(self, task_id: int) -> Task:
        """One task, read past the server's cache. Raises CvatNotFound."""

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
        """Change what is given; assignee 0 takes the task from its assignee.

        Labels are matched by name and never deleted; an attribute without values keeps those it has.
        """

    def delete_task(self, task_id: int) -> None:
        """Delete a task that is at rest; while the server makes frames for it, never."""

    def git_repository(self, task_id: int) -> GitRepository:
        """The Git repository that a task is tied to."""

    def upload(
        self, task_id: int, files: Sequence[UploadFile], data: DataSpec, sent: Callable[[int], None] | None = None
    ) -> Receipt:
        """Stream files in one multipart request; `sent` is told the bytes sent so far.

        Never repeat it on UnclearAnswer: a second upload adds jobs. What `sent` raises ends the upload, and comes out
        as it is; the server may then show a part of it, or nothing.
        """

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Receipt:
        """Let the server download `urls`; frames are called by the last part of each URL's path."""

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Receipt:
        """Let the server read `paths` of its own share."""

    def creation(self, receipt: Receipt) -> Creation:
        """What the server says about making frames; never proof of success."""

    def frames(self, task_id: int) -> list[Frame]:
        """The frames in the server's order; none before there is data."""

    def jobs(self, task_id: int) -> list[Job]:
        """The task's jobs of the ordinary kind, by first frame."""

    def assign(self, job_id: int, user_id: int | None) -> Job:
        """Give a job to a user; None takes it back."""

    def set_job_status(self, job_id: int, status: JobStatus) -> Job:
        """Say how far a job is."""

    def annotations(self, job_id: int) -> Annotations:
        """What is saved in a job."""

    def task_annotations(self, task_id: int) -> Annotations:
        """What is saved in all jobs of a task."""

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Annotations:
        """Create, update or delete; answers with what was written, ids included."""

    def export(self, task_id: int, to: Path, *, format_name: str = COCO, deadline: float = 600.0) -> str:
        """Write a finished export to `to`, whole or not at all; answers with the server's name for it.

        The file may be stale: one that ran while somebody saved is kept and given again until the next real write.
        `deadline` is in seconds.
        """

    def import_annotations(self, task_id: int, file: Path, *, format_name: str = COCO, deadline: float = 600.0) -> None:
        """Replace a task's annotations by those of a file."""

    def close(self) -> None:
        """Close the connections; the token stays good."""


DIALECTS: dict[str, Dialect] = {"v1": V1(), "v2": V2()}
"""The families of servers by the name that settings give them; `auto` asks the server for each, in this order."""


def connect(
    url: str,
    *,
    username: str | None = None,
    password: SecretStr | str | None = None,
    token: SecretStr | str | None = None,
    dialect: str = "auto",
    clock: Clock = time,
    timeout: float = 60.0,
) -> Cvat:
    """A CVAT server at `url`, with a token or a name and password. Sends nothing before the first verb.

    `timeout` is seconds of silence in one request; verbs that wait have deadlines of their own. Close it when done.
    Raises InputError for an address or a dialect that cannot be.
    """
    if dialect not in {"auto", *DIALECTS}:
        raise InputError(f"the dialect {dialect!r} is unknown; use auto, {' or '.join(DIALECTS)}")
    families = list(DIALECTS.values()) if dialect == "auto" else [DIALECTS[dialect]]
    login = Login(username, _secret(password), _secret(token))
    return Server(Client(url, login, families, clock=clock, timeout=timeout))


def _secret(value: SecretStr | str | None) -> SecretStr | None:
    return SecretStr(value) if isinstance(value, str) else value
