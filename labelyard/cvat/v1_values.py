"""CVAT 1.x's own JSON decoded to values."""

from __future__ import annotations

from typing import Any

from labelyard.cvat.decoding import decode_label, decode_user_id
from labelyard.cvat.error_responses import one_line
from labelyard.domain.tasks import Creation, CreationState, GitRepository, Job, JobStatus, Task


def decode_task(data: Any) -> Task:
    """A task. Before its upload it has no size, no image_quality and no segments [088]."""
    task_id = int(data["id"])
    quality = data.get("image_quality")
    jobs = [
        Job(
            id=int(job["id"]),
            task_id=task_id,
            start_frame=int(segment["start_frame"]),
            stop_frame=int(segment["stop_frame"]),
            status=JobStatus(job["status"]),
            assignee=decode_user_id(job["assignee"]),
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
        labels=tuple(decode_label(label) for label in data["labels"]),
        jobs=tuple(sorted(jobs, key=lambda job: (job.start_frame, job.id))),
        owner=decode_user_id(data["owner"]),
        assignee=decode_user_id(data["assignee"]),
        segment_size=int(data["segment_size"] or 0),
        overlap=data["overlap"],
        z_order=bool(data.get("z_order", False)),
        bug_tracker=data["bug_tracker"],
        image_quality=quality,
        created=data["created_date"],
        updated=data["updated_date"],
    )


def decode_job(data: Any) -> Job:
    """A job in the response to its own URL."""
    return Job(
        id=int(data["id"]),
        task_id=int(data["task_id"]),
        start_frame=int(data["start_frame"]),
        stop_frame=int(data["stop_frame"]),
        status=JobStatus(data["status"]),
        assignee=decode_user_id(data["assignee"]),
    )


def decode_creation(data: Any) -> Creation:
    """The progress of an upload; the message may be a whole traceback [557]."""
    return Creation(CreationState(data["state"]), one_line(data.get("message") or ""))


def decode_git_repository(data: Any) -> GitRepository:
    """The Git repository of a task."""
    status = data["status"]
    return GitRepository(url=data["url"]["value"], status=status["value"], error=status["error"])
