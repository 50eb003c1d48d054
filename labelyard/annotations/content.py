"""Objects on frames: what a dataset format writes and reads.

Coordinates are pixels from the image's upper left corner. Points have CVAT's forms (see `domain.annotations.Shape`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from labelyard.domain.labels import Label
from labelyard.domain.objects import StoredObject

Value: TypeAlias = bool | int | float | str
"""The value of an attribute: a checkbox is a bool, a number an int or a float, anything else a text."""

Attributes: TypeAlias = Mapping[str, Value]
"""Values by the attribute's name."""


class Kind(StrEnum):
    """What can be drawn on a frame. The shapes have the names of `ShapeType`."""

    RECTANGLE = "rectangle"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    POINTS = "points"
    ELLIPSE = "ellipse"
    CUBOID = "cuboid"
    MASK = "mask"
    SKELETON = "skeleton"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Keypoint:
    """A point of a skeleton, by the name of its sublabel. It is not in the picture where it is `outside`."""

    name: str
    x: float
    y: float
    outside: bool = False
    occluded: bool = False
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameObject:
    """An object on one frame: a shape, a tag, or a track's shape on that frame.

    `label` is "label 7" for one that was deleted. `rotation` is in degrees, `group` 0 for none. `track` counts the
    task's tracks from 0. `job` is CVAT's id. `origin` names the annotation in CVAT, such as "shape 12".
    `outline_certain` is false where only CVAT knows the outline between two key frames.
    """

    kind: Kind
    frame: int
    label: str
    points: tuple[float, ...] = ()
    rotation: float = 0.0
    keypoints: tuple[Keypoint, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    occluded: bool = False
    z_order: int = 0
    group: int = 0
    source: str = "manual"
    score: float | None = None
    track: int | None = None
    keyframe: bool = False
    job: int | None = field(default=None, compare=False)
    origin: str = field(default="", compare=False)
    outline_certain: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a dataset: `name` is its path there, `cvat_name` and `frame` say where it is in the task.

    Width and height are those of the pixels as they are shown. `stored` is None for a task without a ledger.
    """

    name: str
    width: int
    height: int
    frame: int
    cvat_name: str = ""
    stored: StoredObject | None = None
    exif_orientation: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that is not in a file, and the reason. `faulty` marks one that no format can hold."""

    object: FrameObject
    reason: str
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a dataset file: images by name, labels by id, and the objects on the images by frame."""

    images: tuple[Image, ...]
    labels: tuple[Label, ...]
    objects: tuple[FrameObject, ...]

    def by_frame(self) -> dict[int, list[FrameObject]]:
        """Return the objects of each image's frame, in their order."""
        found: dict[int, list[FrameObject]] = {image.frame: [] for image in self.images}
        for one in self.objects:
            found[one.frame].append(one)
        return found
