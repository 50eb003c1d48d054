"""CVAT 2.x's JSON as values, where it is not that of other families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from labelyard.cvat.reading import read_person
from labelyard.cvat.refusals import one_line
from labelyard.domain.labels import Label
from labelyard.domain.tasks import Creation, CreationState, Job, JobStatus, Task

_STATES = {
    "queued": CreationState.QUEUED,
    "started": CreationState.STARTED,
    "finished": CreationState.FINISHED,
    "failed": CreationState.FAILED,
}


def task_of(data: Any) -> Task:
    """A task without labels and jobs, which are asked for by themselves. Before there is data it has no size."""
    quality = data.get("image_quality")
    return Task(
        id=int(data["id"]),
        name=data["name"],
        size=int(data.get("size") or 0),
        received=quality is not None,
        status=JobStatus(data["status"]),
        labels=(),
        jobs=(),
        owner=read_person(data["owner"]),
        assignee=read_person(data["assignee"]),
        segment_size=int(data["segment_size"] or 0),
        overlap=data["overlap"],
        bug_tracker=data["bug_tracker"] or "",
        image_quality=quality,
        created=data["created_date"],
        updated=data["updated_date"],
    )


def with_parts(value: Task, labels: Sequence[Label], jobs: Sequence[Job]) -> Task:
    """The task with its labels, in the order of their ids, and its jobs."""
    return replace(value, labels=tuple(sorted(labels, key=lambda label: label.id)), jobs=tuple(jobs))


def job_of(data: Any) -> Job:
    """A job. A completed state is a completed job, whatever its stage: annotators cannot change the stage [622]."""
    stage = JobStatus.ANNOTATION if data["stage"] == "annotation" else JobStatus.VALIDATION
    return Job(
        id=int(data["id"]),
        task_id=int(data["task_id"]),
        start_frame=int(data["start_frame"]),
        stop_frame=int(data["stop_frame"]),
        status=JobStatus.COMPLETED if data["state"] == "completed" else stage,
        assignee=read_person(data["assignee"]),
    )


def creation_of(data: Any) -> Creation:
    """The progress of an upload, from its request. `progress` stays 0 and says nothing."""
    return Creation(_STATES[data["status"]], one_line(data.get("message") or ""))


def request_state(data: Any) -> tuple[str, str, str]:
    """A request's state, its message, and the URL of what it made."""
    return str(data["status"]), data.get("message") or "", data.get("result_url") or ""
