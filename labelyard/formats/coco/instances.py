"""Objects as COCO annotations, and back.

Our own fields stand inside `attributes`, the one place that datumaro, hotcoco and FiftyOne all keep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from labelyard.annotations.content import Attributes, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.masks import (
    MaskRuns,
    Pixels,
    image_pixels,
    mask_runs,
    pixel_extent,
    runs_of_values,
    values_of_runs,
)
from labelyard.annotations.outlines import ellipse_outline, extent, pairs, polygon_area, turned_corners
from labelyard.domain.formats import Groups
from labelyard.domain.labels import Label
from labelyard.formats.coco.reference import polygon_pixels, raster_area
from labelyard.formats.interface import MERGED_KINDS, FormatOptions

OWN_FIELDS = frozenset({
    "occluded", "rotation", "track_id", "keyframe", "z_order", "group", "source", "score", "job", "ellipse", "points",
})  # fmt: skip
"""The fields in `attributes` that are not attributes of a label."""

_RENAMED = "_attribute"
"""What is added to the name of a label's attribute that is one of our own fields, or one with this already added."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Outline:
    """The geometry of an annotation: x, y, width, height; its COCO segmentation; and its area in square pixels."""

    box: Box
    segmentation: Any
    area: float
    is_crowd: bool = False


def instance_groups(objects: Sequence[FrameObject], groups: Groups) -> Iterator[list[FrameObject]]:
    """Yield the objects of one frame that become one annotation: grouped ones of one label, if groups are merged."""

    def group(one: FrameObject) -> tuple[Any, ...]:
        grouped = groups is Groups.MERGE and one.group and one.kind in MERGED_KINDS
        return (one.group, one.label) if grouped else (0, "")

    for key, members in groupby(sorted(objects, key=group), key=group):
        if key[0]:
            yield list(members)
        else:
            yield from ([member] for member in members)


def instance(members: Sequence[FrameObject], label: Label, image: Image, options: FormatOptions) -> dict[str, Any]:
    """Return the fields of an annotation except its ids."""
    leader = max(members, key=_size)
    outline = _merged(members, image, options) if len(members) > 1 else _outline(leader, image, options)
    found: dict[str, Any] = {
        "bbox": list(outline.box),
        "area": outline.area,
        "segmentation": outline.segmentation,
        "iscrowd": int(outline.is_crowd),
        "attributes": attributes_of(leader),
    }
    if len(members) > 1:  # these are of the leader alone
        for name in ("rotation", "ellipse"):
            found["attributes"].pop(name, None)
    if leader.kind is Kind.SKELETON:
        found |= _keypoint_fields(leader, label)
    elif leader.kind is Kind.POINTS:
        points = pairs(leader.points)
        found |= {"keypoints": [value for x, y in points for value in (x, y, 2)], "num_keypoints": len(points)}
    return found


def attributes_of(one: FrameObject) -> dict[str, Any]:
    """Return the attributes of an object with our own fields; those that say nothing are left out."""
    found: dict[str, Any] = {stored_name(name): value for name, value in one.attributes.items()}
    if one.kind not in (Kind.TAG, Kind.SKELETON):
        found["occluded"] = one.occluded
    if one.kind in (Kind.RECTANGLE, Kind.ELLIPSE):
        found["rotation"] = one.rotation
    if one.kind is Kind.ELLIPSE:
        x, y, right, top = one.points
        found["ellipse"] = [x, y, right - x, y - top]
    if one.track is not None:
        found |= {"track_id": one.track, "keyframe": one.keyframe}
    optional = {"z_order": one.z_order or None, "group": one.group or None, "score": one.score, "job": one.job,
                "source": None if one.source == "manual" else one.source, "points": _point_attributes(one)}  # fmt: skip
    return found | {name: value for name, value in optional.items() if value is not None}


def stored_name(name: str) -> str:
    """Return the key of a label's attribute in `attributes`."""
    return name + _RENAMED if _is_reserved(name) else name


def attribute_name(stored: str) -> str:
    """Return the name of the label's attribute that has this key in `attributes`."""
    return stored.removesuffix(_RENAMED) if _is_reserved(stored) else stored


def _is_reserved(name: str) -> bool:
    while name.endswith(_RENAMED):
        name = name.removesuffix(_RENAMED)
    return name in OWN_FIELDS


def _point_attributes(one: FrameObject) -> dict[str, Attributes] | None:
    return {point.name: point.attributes for point in one.keypoints if point.attributes} or None


# --- outlines ---------------------------------------------------------------------------------------------------------


def _outline(one: FrameObject, image: Image, options: FormatOptions) -> _Outline:
    is_crowd = one.attributes.get("is_crowd") is True
    match one.kind:
        case Kind.RECTANGLE:
            return _rectangle(one, options)
        case Kind.POLYGON if not is_crowd:
            return _polygons([one.points], _box_of([one]), image)
        case Kind.SKELETON:
            return _box_around([value for p in one.keypoints if not p.outside for value in (p.x, p.y)])
        case Kind.POINTS:
            return _box_around(one.points)
        case _:
            return _mask(_pixels(one, image), one, is_crowd=is_crowd)


def _rectangle(one: FrameObject, options: FormatOptions) -> _Outline:
    found = _plain_box(_upright(one.points), options)
    return replace(found, segmentation=[turned_corners(one)]) if one.rotation else found


def _plain_box(box: Box, options: FormatOptions) -> _Outline:
    x, y, width, height = box
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return _Outline(box, [corners] if options.rectangles_as_polygons else [], width * height)


def _pixels(one: FrameObject, image: Image) -> Pixels:
    if one.kind is Kind.MASK:
        runs = mask_runs(one.points)
        assert isinstance(runs, MaskRuns)  # anything else is a fault
        return image_pixels(runs, image.width, image.height)
    outline = ellipse_outline(one) if one.kind is Kind.ELLIPSE else list(one.points)
    return polygon_pixels([outline], image.width, image.height)


def _mask(pixels: Pixels, one: FrameObject, *, is_crowd: bool) -> _Outline:
    # COCO's run lengths go column by column.
    segmentation = {"counts": runs_of_values(pixels.ravel(order="F")), "size": list(pixels.shape)}
    found = pixel_extent(pixels)
    if found is None:  # too small for any pixel
        return _Outline(_box_of([one]), segmentation, 0.0, is_crowd)
    left, top, right, bottom = found
    box = (float(left), float(top), float(right + 1 - left), float(bottom + 1 - top))
    return _Outline(box, segmentation, float(pixels.sum(dtype=np.int64)), is_crowd)


def decoded(segmentation: Mapping[str, Any]) -> Pixels:
    """Return the pixels of COCO's run lengths, which must add up to their size."""
    height, width = segmentation["size"]
    return values_of_runs(segmentation["counts"]).reshape((height, width), order="F")


def _polygons(polygons: Sequence[Sequence[float]], box: Box, image: Image) -> _Outline:
    # A polygon that is smaller than a pixel, or outside of the image, covers none.
    area = raster_area(polygons, image.width, image.height) or sum(map(polygon_area, polygons))
    return _Outline(box, [list(one) for one in polygons], area)


def _merged(members: Sequence[FrameObject], image: Image, options: FormatOptions) -> _Outline:
    """Return the outline of grouped objects, as CVAT merges them: one mask if there is one, else all polygons."""
    boxes = [one for one in members if one.kind is Kind.RECTANGLE]
    box = _box_of(boxes if boxes and options.boxes_lead_groups else members)
    polygons = [one.points for one in members if one.kind is Kind.POLYGON]
    masks = [_pixels(one, image) for one in members if one.kind in (Kind.ELLIPSE, Kind.MASK)]
    if masks:
        if polygons:
            masks.append(polygon_pixels(polygons, image.width, image.height))
        found = _mask(np.maximum.reduce(masks), members[0], is_crowd=False)
        return _Outline(box if boxes else found.box, found.segmentation, found.area)
    if polygons:
        return _polygons(polygons, box, image)
    return _plain_box(box, options)


def _box_of(members: Sequence[FrameObject]) -> Box:
    points = []
    for one in members:
        if one.kind is Kind.ELLIPSE:
            points += ellipse_outline(one)
        elif one.kind is Kind.MASK:
            *_, left, top, right, bottom = one.points
            points += [left, top, right + 1, bottom + 1]
        else:
            points += one.points
    return _upright(points)


def _box_around(points: Sequence[float]) -> _Outline:
    """Return the box of keypoints. Points on a line get one pixel: readers fail on a box without an area."""
    x, y, width, height = _upright(points)
    width, height = max(width, 1.0), max(height, 1.0)
    return _Outline((x, y, width, height), [], width * height)


def _upright(points: Sequence[float]) -> Box:
    left, top, right, bottom = extent(points)
    return left, top, right - left, bottom - top


def _size(one: FrameObject) -> float:
    """Return the area by which the largest member of a group is found."""
    if one.kind is Kind.POLYGON:
        return polygon_area(one.points)
    if one.kind is Kind.MASK:
        return sum(one.points[1:-4:2])
    if one.kind is Kind.ELLIPSE:
        x, y, right, top = one.points
        return math.pi * abs((right - x) * (y - top))
    if one.kind is Kind.RECTANGLE:
        _, _, width, height = _upright(one.points)
        return width * height
    return 0.0


# --- keypoints --------------------------------------------------------------------------------------------------------


def _keypoint_fields(one: FrameObject, label: Label) -> dict[str, Any]:
    by_name = {point.name: point for point in one.keypoints}
    points = [by_name.get(sublabel.name) or Keypoint(sublabel.name, 0, 0, outside=True) for sublabel in label.sublabels]
    return {
        "keypoints": [value for point in points for value in (point.x, point.y, visibility(point))],
        "num_keypoints": sum(not point.outside for point in points),
    }


def visibility(point: Keypoint) -> int:
    """Return COCO's v: 0 for a point that is not in the picture, 1 for a hidden one, 2 for a visible one."""
    return 0 if point.outside else 1 if point.occluded else 2
