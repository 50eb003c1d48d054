"""The rows of label files: one for each object, its class first, then numbers as shares of the image's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.outlines import extent
from labelyard.domain.labels import Label
from labelyard.formats.interface import Holding, absent

DECIMALS = 8
"""Enough for a hundredth of a pixel in the widest image."""

_TOLERANCE = 0.01
"""How far beyond the image a number may be, as a share of its size: ultralytics skips an image that has others."""

NOTHING_IN_IMAGE = "nothing of it is in the image"

_HOLDERS = {
    Kind.RECTANGLE: "yolo-detect, yolo-obb and coco hold rectangles",
    Kind.POLYGON: "yolo-segment and coco hold polygons",
    Kind.POLYLINE: "coco holds polylines",
    Kind.POINTS: "coco holds points",
    Kind.ELLIPSE: "yolo-segment and coco hold ellipses",
    Kind.CUBOID: "coco holds cuboids",
    Kind.MASK: "yolo-segment and coco hold masks",
    Kind.SKELETON: "yolo-pose and coco hold skeletons",
    Kind.TAG: "coco holds tags",
}
"""The formats that hold a kind: a reason for leaving it out names them."""

Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of an object after its class. `is_cut` says that the object reaches beyond the image."""

    numbers: tuple[float, ...]
    is_cut: bool = False


class Rows(Protocol):
    """How one of the YOLO formats writes an object as a row, and reads it."""

    @property
    def holds(self) -> Mapping[Kind, Holding]:
        """How it holds each kind."""
        ...

    def fields(self, labels: Sequence[Label]) -> Mapping[str, Any]:
        """Return the fields that it adds to `data.yaml`."""
        ...

    def warnings(self, labels: Sequence[Label]) -> Sequence[str]:
        """Return what a reader of the files should know about the labels."""
        ...

    def width(self, labels: Sequence[Label]) -> int:
        """Return how many numbers each row has at least: zeros fill it up."""
        ...

    def row(self, one: FrameObject, label: Label, image: Image) -> Row | str:
        """Return the row of an object whose kind is held, or why it cannot be held."""
        ...

    def box(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return by which numbers ultralytics finds that two rows of a class are the same."""
        ...

    def labels(self, names: Sequence[str], fields: Mapping[str, Any]) -> list[Label]:
        """Return the labels by class. Raises ValueError, KeyError or TypeError for fields that it did not add."""
        ...

    def parsed(self, numbers: Sequence[float], label: Label, image: Image) -> FrameObject:
        """Return the object of a row. Raises ValueError with the reason for a row of another format."""
        ...


class PlainRows:
    """What the formats without keypoints share."""

    def fields(self, labels: Sequence[Label]) -> Mapping[str, Any]:  # noqa: ARG002 - see Rows
        """Return none."""
        return {}

    def warnings(self, labels: Sequence[Label]) -> Sequence[str]:  # noqa: ARG002
        """Return none."""
        return ()

    def width(self, labels: Sequence[Label]) -> int:  # noqa: ARG002
        """Return 0: every row is complete."""
        return 0

    def box(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return the box of an outline."""
        return extent(numbers)

    def labels(self, names: Sequence[str], fields: Mapping[str, Any]) -> list[Label]:  # noqa: ARG002
        """Return labels that have only a name."""
        return [Label(name, id=number) for number, name in enumerate(names, 1)]


def holding(only: str, held: Mapping[Kind, Holding]) -> Mapping[Kind, Holding]:
    """Return how a format holds each kind that has nothing but `only`."""
    return {kind: held.get(kind) or absent(f"the format has only {only}, {_HOLDERS[kind]}") for kind in Kind}


def shares(points: Sequence[float], image: Image) -> tuple[float, ...]:
    """Return pixels (x0, y0, …) as shares of the image's width and height, rounded as they are written."""
    return tuple(
        round(value / (image.height if odd % 2 else image.width), DECIMALS) + 0.0 for odd, value in enumerate(points)
    )


def pixels(values: Sequence[float], image: Image) -> tuple[float, ...]:
    """Return shares (x0, y0, …) of the image's width and height as pixels. Raises ValueError for other numbers."""
    if any(not -_TOLERANCE <= value <= 1 + _TOLERANCE for value in values):
        raise ValueError("a number is not between 0 and 1: it is no share of the image's width or height")
    return tuple(value * (image.height if odd % 2 else image.width) for odd, value in enumerate(values))


def centred(box: Sequence[float], image: Image) -> tuple[float, ...] | None:
    """Return the centre, width and height of a box (left, top, right, bottom) as shares; None if it is empty."""
    left, top, right, bottom = box
    found = shares(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), image)
    return found if found[2] > 0 and found[3] > 0 else None


def box_of(values: Sequence[float], image: Image) -> Box:
    """Return left, top, right and bottom of a box in pixels. Raises ValueError if it is empty, or no box."""
    x, y, width, height = pixels(values, image)
    if width <= 0 or height <= 0:
        raise ValueError("the box is empty")
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
