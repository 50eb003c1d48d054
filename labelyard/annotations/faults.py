"""Objects that CVAT stored and that no dataset can hold. Neither CVAT 1.0.0 nor 2.x checks them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, pairwise, starmap

from labelyard.annotations.attributes import allowed
from labelyard.annotations.content import Attributes, FrameObject, Keypoint, Kind
from labelyard.annotations.masks import mask_runs
from labelyard.annotations.outlines import extent, pairs, polygon_area
from labelyard.domain.labels import AttributeSpec, Label

FARTHEST_COORDINATE = 250_000
"""Coordinates from here on, in pixels, are faults. Boxes and turned corners of others are below the million from which
on pycocotools runs out of memory or crashes (`formats.checks.values`)."""

_LONGEST_OUTLINE = 2e6
"""Pixels: pycocotools walks outlines in fifths of a pixel."""

_FARTHEST_MASK = 4
"""How many times as large as its image the box of a mask may be: all of it is decoded."""


def fault_of(one: FrameObject, labels: Mapping[str, Label], size: tuple[int, int] | None) -> str | None:
    """Return why no dataset can hold an object, or None.

    `size` is the width and height of its image in pixels, None for a frame that the task does not have.
    """
    if size is None:
        return "its frame is beyond the task"
    if one.label not in labels:
        return "its label is none of the task's, and may have been deleted"
    label = labels[one.label]
    return _attribute_fault(one, label) or _keypoint_name_fault(one, label) or _SHAPE_FAULTS[one.kind](one, size)


_BAD_COORDINATE = f"it has a coordinate that is not a number or is beyond {FARTHEST_COORDINATE:,} pixels"


def _attribute_fault(one: FrameObject, label: Label) -> str | None:
    by_name = {sublabel.name: sublabel for sublabel in label.sublabels}
    parts: Iterable[tuple[Attributes, Label]] = chain(
        [(one.attributes, label)],
        ((point.attributes, by_name[point.name]) for point in one.keypoints if point.name in by_name),
    )
    return next((found for values, owner in parts for found in _disallowed(values, owner.attributes)), None)


def _disallowed(values: Attributes, specs: Iterable[AttributeSpec]) -> Iterable[str]:
    for spec in specs:
        if spec.name in values and not allowed(spec, values[spec.name]):
            yield f"its attribute {spec.name!r} has the value {values[spec.name]!r}, which the label does not allow"


def _keypoint_name_fault(one: FrameObject, label: Label) -> str | None:
    """Return what is wrong with the names of a skeleton's points; other kinds have none."""
    names = [point.name for point in one.keypoints]
    if len(set(names)) < len(names):
        return f"it has two points {max(names, key=names.count)!r}"
    if unknown := set(names) - {sublabel.name for sublabel in label.sublabels}:
        return f"it has a point {min(unknown)!r}, which its label does not have"
    return None


def _points_fault(one: FrameObject, least: int, *, exactly: bool = False) -> str | None:
    """Return what is wrong with x and y in turn."""
    points = one.points
    if not all(math.isfinite(value) and abs(value) < FARTHEST_COORDINATE for value in points):
        return _BAD_COORDINATE
    if len(points) < 2 * least or len(points) % 2 or (exactly and len(points) > 2 * least):
        return f"it has {len(points) / 2:g} points, and needs {'' if exactly else 'at least '}{least}"
    if sum(starmap(math.dist, pairwise(pairs(points)))) > _LONGEST_OUTLINE:
        return "its outline is longer than two million pixels"
    return None


def _box_fault(one: FrameObject, size: tuple[int, int]) -> str | None:
    if found := _points_fault(one, 2, exactly=True):
        return found
    left, top, right, bottom = extent(one.points)
    return _area_fault((right - left) * (bottom - top)) or _outside((left, top, right, bottom), size)


def _polygon_fault(one: FrameObject, size: tuple[int, int]) -> str | None:
    if found := _points_fault(one, 3):
        return found
    return _area_fault(polygon_area(one.points)) or _outside(extent(one.points), size)


def _line_fault(least: int, *, exactly: bool = False) -> Callable[[FrameObject, tuple[int, int]], str | None]:
    return lambda one, size: _points_fault(one, least, exactly=exactly) or _outside(extent(one.points), size)


def _ellipse_fault(one: FrameObject, size: tuple[int, int]) -> str | None:
    if found := _points_fault(one, 2, exactly=True):
        return found
    x, y, right, top = one.points
    radius_x, radius_y = abs(right - x), abs(y - top)
    # Large enough for any rotation.
    reach = max(radius_x, radius_y)
    return _area_fault(radius_x * radius_y) or _outside((x - reach, y - reach, x + reach, y + reach), size)


def _mask_fault(one: FrameObject, size: tuple[int, int]) -> str | None:
    if not all(math.isfinite(value) and value == int(value) and abs(value) < 1e15 for value in one.points):
        return "it has a run length that is no whole number below 10^15"
    found = mask_runs(one.points)
    if isinstance(found, str):
        return found
    if found.width * found.height > _FARTHEST_MASK * max(size[0] * size[1], 1 << 16):
        return f"its box of {found.width} x {found.height} pixels is far larger than the image"
    if not sum(found.runs[1::2]):
        return "its mask has no pixels"
    return _outside((found.left, found.top, found.left + found.width, found.top + found.height), size)


def _skeleton_fault(one: FrameObject, size: tuple[int, int]) -> str | None:
    if not one.keypoints:
        return "it is a skeleton without points"
    seen = [point for point in one.keypoints if not point.outside]
    if not seen:
        return "all points of the skeleton are outside"
    if not all(_is_finite(point) for point in one.keypoints):
        return _BAD_COORDINATE
    return _outside(extent([value for point in seen for value in (point.x, point.y)]), size)


def _is_finite(point: Keypoint) -> bool:
    return all(math.isfinite(value) and abs(value) < FARTHEST_COORDINATE for value in (point.x, point.y))


def _no_fault(one: FrameObject, size: tuple[int, int]) -> str | None:  # noqa: ARG001 - a tag has no shape
    return None


def _area_fault(area: float) -> str | None:
    return None if area else "its area is zero"


def _outside(box: tuple[float, float, float, float], size: tuple[int, int]) -> str | None:
    left, top, right, bottom = box
    if right < 0 or bottom < 0 or left > size[0] or top > size[1]:
        return f"it is outside of the image, which has {size[0]} x {size[1]} pixels"
    return None


_SHAPE_FAULTS: Mapping[Kind, Callable[[FrameObject, tuple[int, int]], str | None]] = {
    Kind.RECTANGLE: _box_fault,
    Kind.POLYGON: _polygon_fault,
    Kind.POLYLINE: _line_fault(2),
    Kind.POINTS: _line_fault(1),
    Kind.ELLIPSE: _ellipse_fault,
    Kind.CUBOID: _line_fault(8, exactly=True),
    Kind.MASK: _mask_fault,
    Kind.SKELETON: _skeleton_fault,
    Kind.TAG: _no_fault,
}
