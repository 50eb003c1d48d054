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

from labelyard.cli.cvat_connection import read_json
from labelyard.cli.cvat_output import cvat_command
from labelyard.cli.progress import progress_bar
from labelyard.cvat import Cvat
from labelyard.cvat.raw_json import parse_labels
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

_POLL_SECONDS = 0.2


@click.command()
@click.option("--name", help="Part of the name, case ignored.")
@click.option("--owner", help="The owner's user name.")
@click.option("--assignee", help="The assignee's user name.")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="The status of the tasks.")
@click.option("--search", help="Words in the name, owner, mode or status.")
@click.option("--limit", default=100, show_default=True, help="The largest number of tasks.")
@cvat_command
def tasks(cvat: Cvat, limit: int, **filters: str | None) -> list[Task]:
    """List tasks, oldest first."""
    given: dict[str, str | int] = {name: value for name, value in filters.items() if value}
    return list(islice(cvat.tasks(**given), limit))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def task(cvat: Cvat, task_id: int) -> Task:
    """Show a task with its labels and jobs."""
    return cvat.task(task_id)


@click.command()
@click.argument("name")
@click.option("--labels", "labels_file", type=click.File(), required=True, help="The labels: CVAT's raw JSON list.")
@click.option("--segment-size", default=0, help="Frames per job; 0 makes one job.")
@click.option("--overlap", type=int, help="Frames that adjacent jobs share.")
@click.option("--z-order", is_flag=True, help="Let annotators set the z-order of shapes.")
@click.option("--bug-tracker", default="", help="A link to show in the task.")
@click.option("--assignee", help="The user responsible for the task, by name or id.")
@cvat_command
def create(cvat: Cvat, name: str, labels_file: IO[str], assignee: str | None, **options: Any) -> Task:
    """Create a task NAME without data. A second call creates a second task: CVAT accepts equal names."""
    assignee_id = find_user_id(cvat, assignee) if assignee else None
    return cvat.create_task(TaskSpec(name, parse_labels(read_json(labels_file)), assignee=assignee_id, **options))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.option("--name", help="The new name.")
@click.option("--assignee", help="The responsible user, by name or id; '-' is nobody.")
@click.option("--bug-tracker", help="A link to show in the task.")
@click.option("--z-order/--no-z-order", default=None, help="Whether annotators set the z-order of shapes.")
@click.option("--labels", "labels_file", type=click.File(), help="Labels to change or add, by name: CVAT's raw JSON.")
@cvat_command
def patch(cvat: Cvat, task_id: int, assignee: str | None, labels_file: IO[str] | None, **options: Any) -> Task:
    """Change a task. Labels are never deleted; an attribute without values keeps its present ones."""
    assignee_id = None if assignee is None else 0 if assignee == "-" else find_user_id(cvat, assignee)
    labels = parse_labels(read_json(labels_file)) if labels_file else None
    return cvat.patch_task(task_id, assignee=assignee_id, labels=labels, **options)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def delete(cvat: Cvat, task_id: int) -> None:
    """Delete a task with all its annotations. Never while the server creates its frames."""
    cvat.delete_task(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def git(cvat: Cvat, task_id: int) -> GitRepository:
    """Show the Git repository that a task is connected to."""
    return cvat.git_repository(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def frames(cvat: Cvat, task_id: int) -> list[Frame]:
    """List the frames of a task in the server's order."""
    return cvat.frames(task_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def status(cvat: Cvat, task_id: int) -> Creation:
    """Show the server's status of creating frames. Finished proves nothing: check the task's frames."""
    return cvat.creation(Receipt(task_id))


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.argument("files", nargs=-1, metavar="FILE|URL…", required=True)
@click.option("--remote", is_flag=True, help="The arguments are URLs, which the server downloads.")
@click.option("--share", is_flag=True, help="The arguments are paths of the server's share.")
@click.option(
    "--image-quality",
    default=70,
    show_default=True,
    type=click.IntRange(0, 100),
    help="The JPEG quality of the frames.",
)
@click.option("--chunk-size", type=int, help="Frames per chunk of the editor.")
@click.option("--start-frame", type=int, help="The first frame; COCO exports then fail on CVAT 1.0.0.")
@click.option("--stop-frame", type=int, help="The last frame.")
@click.option("--frame-filter", help="step=N keeps every Nth frame; COCO exports then fail on CVAT 1.0.0.")
@click.option("--use-zip-chunks", is_flag=True, default=None, help="Send chunks of images instead of video.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds until the command fails.")
@cvat_command
def upload(cvat: Cvat, task_id: int, files: tuple[str, ...], remote: bool, share: bool, deadline: float,  # noqa: FBT001
           **options: Any) -> Task:  # fmt: skip
    """Upload a task's images and wait for its frames.

    The images are local FILEs unless --remote or --share is given. A task takes data once: a second upload would
    replace the frames and add jobs, so this command rejects it.
    """
    data = DataSpec(**options)
    _check_empty(cvat, task_id)
    if remote:
        receipt = cvat.upload_remote(task_id, files, data)
    elif share:
        receipt = cvat.upload_share(task_id, files, data)
    else:
        receipt = _upload_files(cvat, task_id, [_local_file(Path(file)) for file in files], data)
    return _wait_for_frames(cvat, receipt, deadline)


COMMANDS = (tasks, task, create, patch, delete, git, frames, status, upload)


def find_user_id(cvat: Cvat, user_or_id: str) -> int:
    """Return the id of a user given by name or id, to whom work may be given. Raises InputError with the known ones."""
    users = cvat.assignable_users()
    for user in users:
        if user_or_id in {user.username, str(user.id)}:
            return user.id
    known = ", ".join(user.username for user in users)
    raise InputError(f"there is no user {user_or_id!r} (known: {known})", next_step="labelyard cvat users")


def _local_file(path: Path) -> UploadFile:
    if not path.is_file():
        raise InputError("is not a file", where=str(path))
    kind = mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
    return UploadFile(path.name, path.stat().st_size, lambda: path.open("rb"), kind)


def _upload_files(cvat: Cvat, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Receipt:
    size = sum(file.size for file in files)
    with progress_bar(f"{len(files)} files to task {task_id}", size, DownloadColumn(), TransferSpeedColumn()) as update:
        return cvat.upload(task_id, files, data, update)


def _check_empty(cvat: Cvat, task_id: int) -> None:
    task = cvat.task(task_id)
    if task.size or (task.received and cvat.creation(Receipt(task_id)).state is not CreationState.FAILED):
        raise InputError(
            f"has data already ({task.size} frames)", where=f"task {task_id}", next_step="labelyard cvat create …"
        )


def _wait_for_frames(cvat: Cvat, receipt: Receipt, deadline: float) -> Task:
    """Return the task once it has frames and jobs. Raises CreationFailed, or CvatTimeout with the last status."""
    end = time.monotonic() + deadline
    while True:
        task = cvat.task(receipt.task_id)
        if task.size and task.jobs:
            return task
        creation = cvat.creation(receipt)
        if creation.state is CreationState.FAILED:
            raise CreationFailed(creation.message, where=f"task {receipt.task_id}")
        if time.monotonic() > end:
            raise CvatTimeout(
                f"no frames after {deadline:g} s; last seen: {creation.state} {creation.message}",
                where=f"task {task.id}",
            )
        time.sleep(_POLL_SECONDS)
