"""The annotations of a CVAT job or task, the same for every version of CVAT.

Frames count from 0. Points are pixels from the image's upper left corner, flat: (x0, y0, x1, y1, …).
An `id` comes from the server and is ignored in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

COCO = "COCO 1.0"
"""The export format of a dataset, by CVAT's name for it."""


class ShapeType(StrEnum):
    """The types of shapes. CVAT 1.x has the first five; a skeleton is read without its elements."""

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
    """A key frame of a track; `outside` means that the object is out of the picture from here on."""

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
    """An object over several frames, from `frame` on, given by its key frames."""

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
    """All annotations of a job or a task; `version` is the server's count of writes and does not lock anything."""

    shapes: tuple[Shape, ...] = ()
    tracks: tuple[Track, ...] = ()
    tags: tuple[Tag, ...] = ()
    version: int = field(default=0, compare=False)


class Change(StrEnum):
    """What `change_annotations` does with the given annotations."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
