"""CVAT's tasks, jobs, frames, users and uploads, the same for every version of CVAT.

Frames count from 0. `id` is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO

from labelyard.domain.labels import Label


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """The values to create a task with; `segment_size` 0 means one job, `overlap` None lets the server choose."""

    name: str
    labels: tuple[Label, ...]
    segment_size: int = 0
    overlap: int | None = None
    z_order: bool = False
    bug_tracker: str = ""
    assignee: int | None = None
    project: int | None = None
    """CVAT 2.x: the id of its project. The labels are the project's then, and `labels` are not sent."""
    replicas: int = 0
    """CVAT 2.x: the replicas of each job, which several people label for a consensus."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project of CVAT 2.x: the labels of all of its tasks; `tasks` is their number."""

    id: int
    name: str
    labels: tuple[Label, ...] = ()
    owner: int | None = None
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class CloudStorage:
    """A bucket of S3 that CVAT 2.x reads itself; `endpoint_url` and `region` are empty for AWS's own."""

    id: int
    bucket: str
    endpoint_url: str = ""
    region: str = ""
    prefix: str = ""
    """Only keys that begin with it can be read."""


@dataclass(frozen=True, slots=True)
class CloudCredentials:
    """A pair of keys with which CVAT reads a bucket."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TaskChange:
    """The fields of a task to change; None leaves a field as it is, assignee 0 removes the assignee."""

    name: str | None = None
    assignee: int | None = None
    bug_tracker: str | None = None
    z_order: bool | None = None
    labels: tuple[Label, ...] | None = None


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """CVAT 2.x: the frames with ground truth, by name. With `honeypots` each job has so many copies of them.

    Without honeypots they are frames of the jobs as well; with honeypots they belong to no job, and the server chooses
    the order of all frames, from `seed`.
    """

    frames: tuple[str, ...]
    honeypots: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class DataSpec:
    """How the server processes the frames; None leaves a field to the server.

    COCO exports of a task with `start_frame` or `frame_filter` fail on CVAT 1.0.0.
    """

    image_quality: int = 70
    chunk_size: int | None = None
    start_frame: int | None = None
    stop_frame: int | None = None
    frame_filter: str | None = None
    use_zip_chunks: bool | None = None
    ground_truth: GroundTruth | None = None


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to upload: each call of `open` returns its bytes from the start; `name` is the frame's name in CVAT."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class About:
    """The name and version of a server."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class User:
    """A user of CVAT; fields that the server hides from our account (email, groups) are empty."""

    id: int
    username: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    is_staff: bool = False
    is_superuser: bool = False
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal access token of CVAT 2.x; `expires` is None for one that never does."""

    name: str
    read_only: bool
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """A user's membership of an organization; `role` is owner, maintainer, supervisor or worker.

    It is active once the user has accepted the invitation.
    """

    user: User
    role: str
    is_active: bool


class JobStatus(StrEnum):
    """How far a job is, in the words of CVAT v1 (a 2.x dialect maps stage and state to them)."""

    ANNOTATION = "annotation"
    VALIDATION = "validation"
    COMPLETED = "completed"


class JobStep(StrEnum):
    """A step of a review: to a reviewer, back to the annotator, or the end.

    With RETURN labelyard itself sends a job back to its annotator, with LEAD it takes the job away: a person decides.
    """

    REVIEW = "review"
    REPAIR = "repair"
    RETURN = "return"
    LEAD = "lead"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Issue:
    """What somebody wrote about a place of a frame, on CVAT 2.x; the messages, the first one first."""

    id: int
    job_id: int
    frame: int
    messages: tuple[str, ...]
    is_resolved: bool = False


class JobKind(StrEnum):
    """What a job is for. Only the annotations of ANNOTATION jobs are the task's."""

    ANNOTATION = "annotation"
    GROUND_TRUTH = "ground_truth"
    REPLICA = "consensus_replica"


@dataclass(frozen=True, slots=True)
class Job:
    """The part of a task that one person labels: frames `start_frame` to `stop_frame`, both included."""

    id: int
    task_id: int
    start_frame: int
    stop_frame: int
    status: JobStatus = JobStatus.ANNOTATION
    assignee: int | None = None
    updated: str = ""
    """When it was last changed; empty on CVAT 1.x."""
    stage: str = ""
    """How far the review is: annotation, validation or acceptance; empty on CVAT 1.x."""
    state: str = ""
    """How far the stage is: new, in progress, completed or rejected; empty on CVAT 1.x."""
    kind: JobKind = JobKind.ANNOTATION
    parent: int | None = None
    """Of a replica: the id of the job that its consensus is merged into."""

    @property
    def has_begun(self) -> bool:
        """Whether it shows that somebody has worked on it. On CVAT 1.x it does not until it is completed."""
        return self.status is not JobStatus.ANNOTATION or self.state not in ("", "new")

    @property
    def is_accepted(self) -> bool:
        """Whether it is completed at the stage acceptance."""
        return self.stage == "acceptance" and self.status is JobStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the server returns it.

    `size` is the number of frames (0 before there are any). `received` is true once the server has received a whole
    upload, before it has created its frames; only `size` and `jobs` together prove that the frames exist.
    """

    id: int
    name: str
    size: int
    received: bool
    status: JobStatus
    labels: tuple[Label, ...]
    jobs: tuple[Job, ...]
    owner: int | None = None
    assignee: int | None = None
    segment_size: int = 0
    overlap: int | None = None
    z_order: bool = False
    bug_tracker: str = ""
    image_quality: int | None = None
    created: str = ""
    updated: str = ""
    project: int | None = None
    """CVAT 2.x: the id of its project."""
    has_replicas: bool = False
    """CVAT 2.x: whether its jobs have replicas, or will have some: its creation says so, nothing later."""
    quality_jobs: tuple[Job, ...] = ()
    """CVAT 2.x: its ground-truth job and its replicas, which are not among `jobs`."""

    @property
    def work_updated(self) -> str:
        """When the annotations may last have changed; `updated`, unless ground truth and replicas change that as well.

        Their annotations are not the task's. Saving annotations changes `updated` of the task and of the job.
        """
        if not self.quality_jobs:
            return self.updated
        return max(job.updated for job in self.jobs)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nobody's work: the server has no frames for it, and no upload to make them from."""
        return not (self.size or self.received)


class FrameUse(StrEnum):
    """What a frame of a task is for. Only DATA frames belong in a dataset."""

    DATA = "data"
    DELETED = "deleted in CVAT"
    HONEYPOT = "a honeypot: a copy of a ground-truth frame, for quality control"
    GROUND_TRUTH = "a ground-truth frame, for quality control"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a task, in the server's order; sizes in pixels."""

    name: str
    width: int
    height: int
    use: FrameUse = FrameUse.DATA


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's answer to an upload; `request_id` identifies it when asking for its progress."""

    task_id: int
    request_id: str = ""


class CreationState(StrEnum):
    """The state of an upload inside the server. FINISHED does not prove success: check the task's size."""

    QUEUED = "Queued"
    STARTED = "Started"
    FINISHED = "Finished"
    FAILED = "Failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Creation:
    """The progress of an upload inside the server; `message` is the first useful line of the server's text."""

    state: CreationState
    message: str = ""


@dataclass(frozen=True, slots=True)
class GitRepository:
    """The Git repository of a task; all None where it has none."""

    url: str | None
    status: str | None
    error: str | None
