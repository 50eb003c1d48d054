"""`labelyard cvat tasks|task|create|patch|delete|git|frames|status|upload`: tasks and their data."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
from rich.progress import DownloadColumn, TransferSpeedColumn

from labelyard.cli.cvat_connection import json_of
from labelyard.cli.cvat_output import bar, verb
from labelyard.cvat import Cvat
from labelyard.cvat.definitions import labels_of
from labelyard.domain.tasks import (
    Creation,
    CreationState,
    DataSpec,
    Frame,
    GitRepository,
    JobStatus,
    Receipt,
    Task,
    TaskSpec,
    UploadFile,
)
from labelyard.errors import CreationFailed, CvatTimeout, InputError

_POLL = 0.2


@click.command()
@click.option("--name", help="Part of the name, case ignored.")
@click.option("--owner", help="The owner's user name.")
@click.option("--assignee", help="The assignee's user name.")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="How far they are.")
@click.option("--search", help="Words to find in name, owner, mode or status.")
@click.option("--limit", default=100, show_default=True, help="No more than so many.")
@verb
def tasks(cvat: Cvat, limit: int, **filters: str | None) -> list[Task]:
    """List tasks, oldest first."""
    chosen: dict[str, str | int] = {name: value for name, value in filters.items() if value}
    return list(islice(cvat.tasks(**chosen), limit))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def task(cvat: Cvat, task_id: int) -> Task:
    """Show a task with its labels and jobs."""
    return cvat.task(task_id)


@click.command()
@click.argument("name")
@click.option("--labels", "labels_file", type=click.File(), required=True, help="Its labels: CVAT's raw JSON list.")
@click.option("--segment-size", default=0, help="Frames in a job; 0 makes one job.")
@click.option("--overlap", type=int, help="Frames that neighbouring jobs share.")
@click.option("--z-order", is_flag=True, help="Let shapes lie over each other in a chosen order.")
@click.option("--bug-tracker", default="", help="A link shown in the task.")
@click.option("--assignee", help="Who looks after the task: a user's name or id.")
@verb
def create(cvat: Cvat, name: str, labels_file: IO[str], assignee: str | None, **chosen: Any) -> Task:
    """Create a task called NAME, without data. Twice makes two: CVAT takes equal names."""
    who = user_id(cvat, assignee) if assignee else None
    return cvat.create_task(TaskSpec(name, labels_of(json_of(labels_file)), assignee=who, **chosen))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.option("--name", help="Another name.")
@click.option("--assignee", help="Who looks after it: a user's name or id; '-' is nobody.")
@click.option("--bug-tracker", help="A link shown in the task.")
@click.option("--z-order/--no-z-order", default=None, help="Whether shapes lie over each other in a chosen order.")
@click.option("--labels", "labels_file", type=click.File(), help="Labels to change or add, by name: CVAT's raw JSON.")
@verb
def patch(cvat: Cvat, task_id: int, assignee: str | None, labels_file: IO[str] | None, **chosen: Any) -> Task:
    """Change a task. Labels are never deleted, and an attribute without values keeps those it has."""
    who = None if assignee is None else 0 if assignee == "-" else user_id(cvat, assignee)
    labels = labels_of(json_of(labels_file)) if labels_file else None
    return cvat.patch_task(task_id, assignee=who, labels=labels, **chosen)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def delete(cvat: Cvat, task_id: int) -> None:
    """Delete a task at rest, with all its annotations."""
    cvat.delete_task(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def git(cvat: Cvat, task_id: int) -> GitRepository:
    """Show the Git repository that a task is tied to."""
    return cvat.git_repository(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def frames(cvat: Cvat, task_id: int) -> list[Frame]:
    """List the frames of a task in the server's order."""
    return cvat.frames(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def status(cvat: Cvat, task_id: int) -> Creation:
    """Say what the server says about making frames. Finished proves nothing: look at the task's frames."""
    return cvat.creation(Receipt(task_id))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.argument("files", nargs=-1, metavar="FILE|URL…", required=True)
@click.option("--remote", is_flag=True, help="They are URLs, which the server downloads.")
@click.option("--share", is_flag=True, help="They are paths of the server's share.")
@click.option("--image-quality", default=70, show_default=True, type=click.IntRange(0, 100), help="Of the frames.")
@click.option("--chunk-size", type=int, help="Frames in a chunk of the editor.")
@click.option("--start-frame", type=int, help="The first frame; COCO exports then fail on CVAT 1.0.0.")
@click.option("--stop-frame", type=int, help="The last frame.")
@click.option("--frame-filter", help="step=N takes each Nth frame; COCO exports then fail on CVAT 1.0.0.")
@click.option("--use-zip-chunks", is_flag=True, default=None, help="Send chunks of images instead of video.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds that the server may take.")
@verb
def upload(cvat: Cvat, task_id: int, files: tuple[str, ...], remote: bool, share: bool, deadline: float,  # noqa: FBT001
           **chosen: Any) -> Task:  # fmt: skip
    """Give a task its images, and wait until the server has made frames of them.

    The images are local FILEs unless --remote or --share say otherwise. A task takes data once: a second upload would
    replace the frames and add jobs, so it is refused here.
    """
    data = DataSpec(**chosen)
    _must_be_empty(cvat, task_id)
    if remote:
        receipt = cvat.upload_remote(task_id, files, data)
    elif share:
        receipt = cvat.upload_share(task_id, files, data)
    else:
        receipt = _upload_files(cvat, task_id, [_local(Path(file)) for file in files], data)
    return _with_frames(cvat, receipt, deadline)


COMMANDS = (tasks, task, create, patch, delete, git, frames, status, upload)


def user_id(cvat: Cvat, who: str) -> int:
    """The id of a user given by name or id. Raises InputError naming those who exist."""
    people = cvat.users()
    for user in people:
        if who in {user.username, str(user.id)}:
            return user.id
    known = ", ".join(user.username for user in people)
    raise InputError(f"there is no user {who!r} (known: {known})", next_step="labelyard cvat users")


def _local(path: Path) -> UploadFile:
    if not path.is_file():
        raise InputError("is not a file", where=str(path))
    kind = mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
    return UploadFile(path.name, path.stat().st_size, lambda: path.open("rb"), kind)


def _upload_files(cvat: Cvat, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Receipt:
    size = sum(file.size for file in files)
    with bar(f"{len(files)} files to task {task_id}", size, DownloadColumn(), TransferSpeedColumn()) as sent:
        return cvat.upload(task_id, files, data, sent)


def _must_be_empty(cvat: Cvat, task_id: int) -> None:
    task = cvat.task(task_id)
    if task.size or (task.received and cvat.creation(Receipt(task_id)).state is not CreationState.FAILED):
        raise InputError(
            f"has data already ({task.size} frames)", where=f"task {task_id}", next_step="labelyard cvat create …"
        )


def _with_frames(cvat: Cvat, receipt: Receipt, deadline: float) -> Task:
    """The task once it has frames and jobs. Raises CreationFailed, or CvatTimeout saying what was last seen."""
    end = time.monotonic() + deadline
    while True:
        task = cvat.task(receipt.task_id)
        if task.size and task.jobs:
            return task
        said = cvat.creation(receipt)
        if said.state is CreationState.FAILED:
            raise CreationFailed(said.message, where=f"task {receipt.task_id}")
        if time.monotonic() > end:
            raise CvatTimeout(
                f"no frames after {deadline:g} s; last seen: {said.state} {said.message}", where=f"task {task.id}"
            )
        time.sleep(_POLL)
