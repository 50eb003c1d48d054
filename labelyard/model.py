"""The values that labelyard speaks in: frozen, and the same whatever CVAT or store is behind them.

Frames count from 0. Points are pixels from the image's upper left corner, flat: (x0, y0, x1, y1, …).
Identifiers given by a server (`id`) never take part in a comparison of what a thing *is*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

# --- object storage ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One content of one file in a bucket, known by bucket, key and unquoted ETag.

    `size` is in bytes, None where the notification named none; `version_id` is only for reading.
    """

    bucket: str
    key: str
    etag: str
    size: int | None = field(default=None, compare=False)
    version_id: str | None = field(default=None, compare=False)

    @property
    def url(self) -> str:
        """Its s3:// address, as people write it."""
        return s3_url(self.bucket, self.key)


def s3_url(bucket: str, key: str) -> str:
    """The s3:// address of a key, or of what lies below a prefix."""
    return f"s3://{bucket}/{key}"


def version_id(told: object) -> str | None:
    """A version as a store tells it, None where there is none: emulators say "null" for a bucket without versions."""
    return told if isinstance(told, str) and told not in {"", "null"} else None


# --- what a task is made from -----------------------------------------------------------------------------------------


class InputType(StrEnum):
    """How an annotator enters an attribute (CVAT's five kinds)."""

    SELECT = "select"
    CHECKBOX = "checkbox"
    TEXT = "text"
    NUMBER = "number"
    RADIO = "radio"


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """An attribute of a label; `values` of a number are (minimum, maximum, step), of a checkbox the default."""

    name: str
    input_type: InputType
    default: str
    values: tuple[str, ...]
    mutable: bool = False
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Label:
    """A label with its attributes; `color` (#rrggbb) only where the server keeps one."""

    name: str
    attributes: tuple[AttributeSpec, ...] = ()
    color: str | None = field(default=None, compare=False)
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task is created with; `segment_size` 0 means one job, `overlap` None lets the server choose."""

    name: str
    labels: tuple[Label, ...]
    segment_size: int = 0
    overlap: int | None = None
    z_order: bool = False
    bug_tracker: str = ""
    assignee: int | None = None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What of a task shall change; None leaves a thing as it is, assignee 0 is nobody."""

    name: str | None = None
    assignee: int | None = None
    bug_tracker: str | None = None
    z_order: bool | None = None
    labels: tuple[Label, ...] | None = None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """How the server treats the frames; None leaves a thing to the server.

    COCO exports of a task with `start_frame` or `frame_filter` fail on CVAT 1.0.0.
    """

    image_quality: int = 70
    chunk_size: int | None = None
    start_frame: int | None = None
    stop_frame: int | None = None
    frame_filter: str | None = None
    use_zip_chunks: bool | None = None


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to be sent: `open` gives its bytes anew at each call, `name` is what CVAT will call the frame."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    content_type: str = "application/octet-stream"


# --- what a server shows ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class About:
    """What server this is."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class User:
    """A person of CVAT; what a plain user is not shown (email, groups) is empty."""

    id: int
    username: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    is_staff: bool = False
    is_superuser: bool = False
    is_active: bool = True


class JobStatus(StrEnum):
    """How far a job is, in the words of CVAT v1 (a 2.x dialect maps stage and state to them)."""

    ANNOTATION = "annotation"
    VALIDATION = "validation"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of a task that one person labels: frames `start_frame` to `stop_frame`, both included."""

    id: int
    task_id: int
    start_frame: int
    stop_frame: int
    status: JobStatus = JobStatus.ANNOTATION
    assignee: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the server shows it.

    `size` is the number of frames (0 before there are any). `received` turns true once the server has taken a whole
    upload, before it has made frames of it; only `size` with `jobs` present proves that frames exist.
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


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a task, in the server's order; sizes in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server said when it took an upload: enough to ask for its progress."""

    task_id: int
    request_id: str = ""


class CreationState(StrEnum):
    """What a server says about making frames. FINISHED proves nothing: look at the task's size."""

    QUEUED = "Queued"
    STARTED = "Started"
    FINISHED = "Finished"
    FAILED = "Failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Creation:
    """The progress of an upload inside the server; `message` is the first telling line of its words."""

    state: CreationState
    message: str = ""


@dataclass(frozen=True, slots=True)
class GitRepository:
    """The Git repository that a task is tied to; all None where there is none."""

    url: str | None
    status: str | None
    error: str | None


# --- annotations ------------------------------------------------------------------------------------------------------

COCO = "COCO 1.0"
"""The export format that the chain ends in."""


class ShapeType(StrEnum):
    """Kinds of shapes; CVAT 1.x has the first five. A skeleton is read without its parts."""

    RECTANGLE = "rectangle"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    POINTS = "points"
    CUBOID = "cuboid"
    ELLIPSE = "ellipse"
    MASK = "mask"
    SKELETON = "skeleton"


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """The value of one attribute (`spec_id`) of one annotation."""

    spec_id: int
    value: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape on one frame. `group` 0 means none; `rotation` is in degrees (CVAT 2.x); `id` 0 means not yet saved."""

    type: ShapeType
    frame: int
    label_id: int
    points: tuple[float, ...]
    group: int = 0
    z_order: int = 0
    occluded: bool = False
    attributes: tuple[AttributeValue, ...] = ()
    source: str | None = None
    rotation: float = 0.0
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TrackedShape:
    """A key frame of a track; with `outside` the object leaves the picture here."""

    type: ShapeType
    frame: int
    points: tuple[float, ...]
    outside: bool = False
    z_order: int = 0
    occluded: bool = False
    attributes: tuple[AttributeValue, ...] = ()
    rotation: float = 0.0
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Track:
    """An object over several frames, from `frame` on, told by its key frames."""

    frame: int
    label_id: int
    shapes: tuple[TrackedShape, ...]
    group: int = 0
    attributes: tuple[AttributeValue, ...] = ()
    source: str | None = None
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """A label on a whole frame."""

    frame: int
    label_id: int
    group: int = 0
    attributes: tuple[AttributeValue, ...] = ()
    source: str | None = None
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Annotations:
    """All annotations of a job or a task; `version` is the server's count of writes, no lock."""

    shapes: tuple[Shape, ...] = ()
    tracks: tuple[Track, ...] = ()
    tags: tuple[Tag, ...] = ()
    version: int = field(default=0, compare=False)


class Change(StrEnum):
    """What `change_annotations` does with what it is given."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
