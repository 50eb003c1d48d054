"""The annotations of a CVAT job or task, the same for every version of CVAT.

Frames count from 0. Points are pixels from the image's upper left corner, flat: (x0, y0, x1, y1, …).
An `id` comes from the server and is ignored in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

COCO = "COCO 1.0"
"""CVAT's name of the format that commands read and write if no other is given."""


class ShapeType(StrEnum):
    """The types of shapes. CVAT 1.x has the first five."""

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
    """A shape on one frame. `group` 0 means none; `rotation` is in degrees (CVAT 2.x); `id` 0 means not yet saved.

    The points of an ellipse are its centre, its right end and its top: (cx, cy, cx + rx, cy - ry). Those of a mask are
    run lengths over its box, row by row, background first, then left, top, right, bottom. A skeleton has no points but
    `elements`, points with labels of their own, which may be `outside`. `score` is a model's confidence (CVAT 2.73).
    """

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
    score: float | None = None
    outside: bool = False
    elements: tuple[Shape, ...] = ()
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
    """An object over several frames, from `frame` on, given by its key frames.

    The `elements` of a skeleton are tracks of points with labels of their own.
    """

    frame: int
    label_id: int
    shapes: tuple[TrackedShape, ...]
    group: int = 0
    attributes: tuple[AttributeValue, ...] = ()
    source: str | None = None
    elements: tuple[Track, ...] = ()
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


class Interpolation(StrEnum):
    """How a server's own export expands tracks.

    V1: tracks of polygons and polylines end with their last key frame, and an object stays where it was before a key
    frame that is outside, which the export has as a shape. V2: every track continues, and an object moves towards a
    key frame that is outside.
    """

    V1 = "1.0.0"
    V2 = "2.x"
