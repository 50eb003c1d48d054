"""CVAT 1.x's JSON as values, where it is not that of other families."""

from __future__ import annotations

from typing import Any

from labelyard.cvat.reading import read_label, read_person
from labelyard.cvat.refusals import one_line
from labelyard.domain.tasks import Creation, CreationState, GitRepository, Job, JobStatus, Task


def task_of(data: Any) -> Task:
    """A task. Before there is data it has no size, no image_quality and no segments [088]."""
    task_id = int(data["id"])
    quality = data.get("image_quality")
    jobs = [
        Job(
            id=int(job["id"]),
            task_id=task_id,
            start_frame=int(segment["start_frame"]),
            stop_frame=int(segment["stop_frame"]),
            status=JobStatus(job["status"]),
            assignee=read_person(job["assignee"]),
        )
        for segment in data["segments"]
        for job in segment["jobs"]
    ]
    return Task(
        id=task_id,
        name=data["name"],
        size=int(data.get("size") or 0),
        received=quality is not None,
        status=JobStatus(data["status"]),
        labels=tuple(read_label(label) for label in data["labels"]),
        jobs=tuple(sorted(jobs, key=lambda job: (job.start_frame, job.id))),
        owner=read_person(data["owner"]),
        assignee=read_person(data["assignee"]),
        segment_size=int(data["segment_size"] or 0),
        overlap=data["overlap"],
        z_order=bool(data.get("z_order", False)),
        bug_tracker=data["bug_tracker"],
        image_quality=quality,
        created=data["created_date"],
        updated=data["updated_date"],
    )


def job_of(data: Any) -> Job:
    """A job as it shows itself."""
    return Job(
        id=int(data["id"]),
        task_id=int(data["task_id"]),
        start_frame=int(data["start_frame"]),
        stop_frame=int(data["stop_frame"]),
        status=JobStatus(data["status"]),
        assignee=read_person(data["assignee"]),
    )


def creation_of(data: Any) -> Creation:
    """The progress of an upload; the message may be a whole traceback [557]."""
    return Creation(CreationState(data["state"]), one_line(data.get("message") or ""))


def git_repository_of(data: Any) -> GitRepository:
    """A task's repository."""
    status = data["status"]
    return GitRepository(url=data["url"]["value"], status=status["value"], error=status["error"])
