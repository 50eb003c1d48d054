"""CVAT 2.x's own JSON decoded to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from labelyard.cvat.decoding import decode_user, decode_user_id
from labelyard.cvat.error_responses import one_line
from labelyard.domain.labels import Label
from labelyard.domain.quality import Quality, QualityReport
from labelyard.domain.tasks import (
    AccessToken,
    CloudCredentials,
    CloudStorage,
    Creation,
    CreationState,
    FrameUse,
    Issue,
    Job,
    JobKind,
    JobStatus,
    Member,
    Project,
    Task,
)

_CREATION_STATES = {
    "queued": CreationState.QUEUED,
    "started": CreationState.STARTED,
    "finished": CreationState.FINISHED,
    "failed": CreationState.FAILED,
}


def decode_task(data: Any) -> Task:
    """A task without labels and jobs, which have URLs of their own.

    Before its upload it has no size and no id of data; 2.73 shows the image quality only with frames [2.73 0203].
    """
    return Task(
        id=int(data["id"]),
        name=data["name"],
        size=int(data.get("size") or 0),
        received=data.get("data") is not None,
        status=JobStatus(data["status"]),
        labels=(),
        jobs=(),
        owner=decode_user_id(data["owner"]),
        assignee=decode_user_id(data["assignee"]),
        segment_size=int(data["segment_size"] or 0),
        overlap=data["overlap"],
        bug_tracker=data["bug_tracker"] or "",
        image_quality=data.get("image_quality"),
        created=data["created_date"],
        updated=data["updated_date"],
        project=data.get("project_id"),
        has_replicas=bool(data.get("consensus_enabled")),  # older versions have none
    )


def decode_project(data: Any) -> Project:
    """A project without its labels, which have a URL of their own."""
    return Project(
        id=int(data["id"]), name=data["name"], owner=decode_user_id(data["owner"]), tasks=int(data["tasks"]["count"])
    )


def with_labels_and_jobs(task: Task, labels: Sequence[Label], jobs: Sequence[Job]) -> Task:
    """Return the task with its labels, in the order of their ids, and its jobs: ground truth and replicas apart."""
    ordered = tuple(sorted(labels, key=lambda label: label.id))
    return replace(
        task,
        labels=ordered,
        jobs=tuple(job for job in jobs if job.kind is JobKind.ANNOTATION),
        quality_jobs=tuple(job for job in jobs if job.kind is not JobKind.ANNOTATION),
    )


def decode_access_token(data: Any) -> AccessToken:
    """A personal access token, without its value."""
    expires = data["expiry_date"]
    return AccessToken(str(data["name"]), bool(data["read_only"]), datetime.fromisoformat(expires) if expires else None)


S3_BUCKET = "AWS_S3_BUCKET"
"""The provider of every store with the API of S3."""


def decode_cloud_storage(data: Any) -> CloudStorage:
    """A cloud storage, without its credentials."""
    attributes = dict(parse_qsl(data["specific_attributes"] or ""))
    endpoint, region, prefix = (attributes.get(name, "") for name in ("endpoint_url", "region", "prefix"))
    return CloudStorage(int(data["id"]), data["resource"], endpoint, region, prefix)


def encode_cloud_storage(storage: CloudStorage, credentials: CloudCredentials | None) -> dict[str, Any]:
    """The body that registers a bucket."""
    attributes = {"region": storage.region, "endpoint_url": storage.endpoint_url}
    body = {
        "provider_type": S3_BUCKET,
        "resource": storage.bucket,
        "display_name": storage.bucket,
        "credentials_type": "KEY_SECRET_KEY_PAIR" if credentials else "ANONYMOUS_ACCESS",
        "specific_attributes": urlencode({name: value for name, value in attributes.items() if value}),
    }
    if credentials:
        body |= {"key": credentials.access_key_id, "secret_key": credentials.secret_access_key}
    return body


def decode_member(data: Any) -> Member:
    """A membership, with the short record of its user."""
    return Member(decode_user(data["user"]), str(data["role"]), bool(data["is_active"]))


def decode_job(data: Any) -> Job:
    """A job. With state `completed` it is completed in any stage: annotators cannot change the stage [622]."""
    stage = JobStatus.ANNOTATION if data["stage"] == "annotation" else JobStatus.VALIDATION
    return Job(
        id=int(data["id"]),
        task_id=int(data["task_id"]),
        start_frame=int(data["start_frame"]),
        stop_frame=int(data["stop_frame"]),
        status=JobStatus.COMPLETED if data["state"] == "completed" else stage,
        assignee=decode_user_id(data["assignee"]),
        updated=data.get("updated_date") or "",
        stage=data["stage"],
        state=data["state"],
        kind=JobKind(data["type"]),
        parent=data.get("parent_job_id"),
    )


def decode_issue(data: Any) -> Issue:
    """An issue without its comments, which have a URL of their own."""
    return Issue(int(data["id"]), int(data["job"]), int(data["frame"]), (), bool(data["resolved"]))


def decode_comment(data: Any) -> tuple[int, int, str]:
    """The id of a comment, that of its issue, and its message."""
    return int(data["id"]), int(data["issue"]), str(data["message"])


def decode_validation_layout(data: Any) -> Mapping[int, FrameUse]:
    """The frames of a task that are for quality control alone; a pool of ground truth is no part of any job."""
    pool = data["validation_frames"] if data.get("mode") == "gt_pool" else ()
    honeypots = dict.fromkeys(data.get("honeypot_frames") or (), FrameUse.HONEYPOT)
    return dict.fromkeys(pool, FrameUse.GROUND_TRUTH) | honeypots


def decode_creation(data: Any) -> Creation:
    """The state of an upload, from its request; the `progress` field stays 0."""
    return Creation(_CREATION_STATES[data["status"]], one_line(data.get("message") or ""))


class SlowRequest(NamedTuple):
    """A request that the server works on, or has ended: its result is a file at `url`, or an object with an id."""

    state: str
    message: str
    url: str
    result: int | None


def decode_request(data: Any) -> SlowRequest:
    """A request; one that failed has a message."""
    text = data.get("message") or ""
    return SlowRequest(str(data["status"]), text, data.get("result_url") or "", data.get("result_id"))


def decode_quality_report(report_id: int, found: Sequence[Any]) -> QualityReport:
    """A report on a task, from its own record and those on the task's jobs [2.73 1208]."""
    jobs = {int(one["job_id"]): _job_quality(one["summary"]) for one in found if one["id"] != report_id}
    compared = {job: quality for job, quality in sorted(jobs.items()) if quality.frames}
    (own,) = (one for one in found if one["id"] == report_id)
    return QualityReport(report_id, _job_quality(own["summary"]), compared)


def _job_quality(summary: Any) -> Quality:
    accuracy, precision, recall = (float(summary[name]) for name in ("accuracy", "precision", "recall"))
    return Quality(int(summary["frame_count"]), accuracy, precision, recall, int(summary["conflict_count"]))
