"""Batches with a job for each file, and who has them."""

from __future__ import annotations

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.tasks import JobStatus
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, ingest

POOL = {"policy": "pool"}


def begin(workspace: Workspace, *names: str, batch: str = FIRST, **sections: object) -> None:
    """Ingest a batch with a job for each file."""
    workspace.apply(task={"segment_size": 1}, **sections)
    for number, name in enumerate(names):
        workspace.put(name, picture(number + 100 * int(batch[-1])))
    workspace.close_batch()
    ingest(workspace, batch)


def who(workspace: Workspace, batch: str = FIRST) -> list[str | None]:
    """Return the assignee of each job as CVAT shows it."""
    cvat = workspace.context.cvat("default")
    names = {user.id: user.username for user in cvat.users()}
    return [names.get(job.assignee or 0) for job in cvat.jobs(workspace.line(batch).task_id or 0)]


def complete(workspace: Workspace, number: int, batch: str = FIRST) -> None:
    """Complete a job in CVAT."""
    move(workspace, number, JobStatus.COMPLETED, batch)


def move(workspace: Workspace, number: int, status: JobStatus, batch: str = FIRST) -> None:
    """Give a job another status in CVAT."""
    cvat = workspace.context.cvat("default")
    cvat.set_job_status(cvat.jobs(workspace.line(batch).task_id or 0)[number].id, status)


def draw(workspace: Workspace, number: int) -> None:
    """Draw a rectangle in a job."""
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    job = cvat.jobs(task.id)[number]
    shape = Shape(ShapeType.RECTANGLE, job.start_frame, task.labels[0].id, (1.0, 2.0, 20.5, 30.25))
    cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=(shape,)))
