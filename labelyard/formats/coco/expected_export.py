"""What CVAT's `COCO 1.0` export of a task should hold, derived from the task's annotations.

The rules were measured on CVAT 1.0.0. An expected instance says what is uncertain: CVAT's own arithmetic chooses the
leader of a group with polygons, and the outline of a polygon track.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from labelyard.annotations.comparison import ExpectedImages, ExpectedInstance
from labelyard.annotations.content import Box, Image, Instance, Polygons
from labelyard.annotations.tracks import FrameShape, shapes_on_frames
from labelyard.domain.annotations import Annotations, ShapeType
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame
from labelyard.formats.checks.fault import Fault, Severity
from labelyard.formats.checks.values import COORDINATE_LIMIT
from labelyard.formats.coco.reference import raster_area, rasterise
from labelyard.formats.interface import ExpectedExport

_EXPORTED = (ShapeType.RECTANGLE, ShapeType.POLYGON)
_Labels = Mapping[int, Label]


def expected_export(annotations: Annotations, frames: Sequence[Frame], labels: Sequence[Label]) -> ExpectedExport:
    """Return what the export of a task with these frames and labels should hold. Never raises."""
    ordered = sorted(labels, key=lambda label: label.id)
    by_id = {label.id: label for label in ordered}
    shapes = shapes_on_frames(annotations, len(frames))
    faults = {id(shape): fault for shape in shapes if (fault := _fault(shape, frames, by_id))}
    exported = [shape for shape in shapes if id(shape) not in faults and shape.type in _EXPORTED]
    content = ExpectedImages(
        images=tuple(Image(frame.name, frame.width, frame.height) for frame in frames),
        labels=tuple(label.name for label in ordered),
        instances=tuple(_instance(group, frames[group[0].frame], by_id) for group in _groups(exported)),
    )
    return ExpectedExport(content, (*faults.values(), *_other_faults(annotations, len(frames))))


# --- what CVAT's export fails on --------------------------------------------------------------------------------------


def _fault(shape: FrameShape, frames: Sequence[Frame], labels: _Labels) -> Fault | None:
    """Return why the export of CVAT 1.0.0 fails as a whole on this shape, or None."""
    if not 0 <= shape.frame < len(frames):
        return _beyond_task(f"frame {shape.frame}, {shape.origin}", len(frames))
    where = f"frame {shape.frame} ({frames[shape.frame].name}), {shape.origin}"
    if shape.label_id not in labels:
        message = f"has label {shape.label_id}, which the task does not have; delete it"
        return Fault("shape-label", Severity.ERROR, where, message)
    if shape.type in _EXPORTED and (message := _malformed(shape)):
        return Fault("shape-points", Severity.ERROR, where, message)
    return None


def _beyond_task(where: str, size: int) -> Fault:
    message = f"is beyond the task, which has {size} frames: CVAT's export fails on it; delete it"
    return Fault("shape-frame", Severity.ERROR, where, message)


def _malformed(shape: FrameShape) -> str:
    points = shape.points
    if not all(math.isfinite(value) and abs(value) < COORDINATE_LIMIT for value in points):
        return "has a coordinate that is not a number or is beyond a million pixels; draw it again"
    if shape.type is ShapeType.RECTANGLE and len(points) != 4:
        return f"is a rectangle of {len(points)} numbers instead of 4; draw it again"
    if shape.type is ShapeType.POLYGON and (len(points) < 6 or len(points) % 2):
        return f"is a polygon of {len(points) / 2:g} points: CVAT's export fails on it; draw it again or delete it"
    return ""


def _other_faults(annotations: Annotations, size: int) -> Iterator[Fault]:
    for tag in annotations.tags:
        if not 0 <= tag.frame < size:
            yield _beyond_task(f"frame {tag.frame}, tag {tag.id}", size)
    for track in annotations.tracks:
        if len({key.type for key in track.shapes}) > 1:
            message = "has key frames of different shape types: CVAT's export fails on it; delete it and draw it again"
            yield Fault("track-type", Severity.ERROR, f"track {track.id}", message)


# --- groups become instances ------------------------------------------------------------------------------------------


def _groups(shapes: Sequence[FrameShape]) -> Iterator[list[FrameShape]]:
    """Yield the shapes that CVAT merges into one instance; group 0 is for single shapes."""
    # CVAT's order: by frame, then z_order, then group, each sort stable.
    ordered = sorted(shapes, key=lambda shape: (shape.frame, shape.group, shape.z_order))
    for (_, group), members in groupby(ordered, key=lambda shape: (shape.frame, shape.group)):
        if group:
            yield list(members)
        else:
            yield from ([member] for member in members)


def _instance(members: Sequence[FrameShape], frame: Frame, labels: _Labels) -> ExpectedInstance:
    leaders = _possible_leaders(members)
    return ExpectedInstance(
        _likeliest_instance(members, leaders[0], frame, labels),
        labels=frozenset(labels[member.label_id].name for member in leaders),
        properties_certain=len(leaders) == 1,
        outline_certain=all(member.outline_certain for member in members),
        origin=" + ".join(member.origin for member in members),
    )


def _likeliest_instance(members: Sequence[FrameShape], leader: FrameShape, frame: Frame, labels: _Labels) -> Instance:
    box = _box(members)
    polygons: Polygons = tuple(member.points for member in members if member.type is ShapeType.POLYGON)
    is_crowd = bool(polygons) and _attribute(leader, labels, "is_crowd") == 1
    return Instance(
        frame=leader.frame,
        label=labels[leader.label_id].name,
        box=box,
        outline=rasterise(polygons, frame.height, frame.width) if is_crowd else polygons or _corners_of(box),
        area=raster_area(polygons, frame.height, frame.width) if polygons else box[2] * box[3],
        is_crowd=is_crowd,
        score=_score(leader, labels),
    )


def _possible_leaders(members: Sequence[FrameShape]) -> list[FrameShape]:
    """Return the members that may give the instance its label and attributes, the likeliest first."""
    # The largest leads. CVAT measures polygons wrongly (in a canvas at 0,0), so any member of a group with a polygon
    # may lead; equal areas are in the order of database rows, which nothing fixes.
    largest = max(_area(member) for member in members)
    by_area = sorted(members, key=lambda member: (-_area(member), member.type is ShapeType.POLYGON))
    if len(members) > 1 and any(member.type is ShapeType.POLYGON for member in members):
        return by_area
    return [member for member in by_area if _area(member) == largest]


# --- geometry ---------------------------------------------------------------------------------------------------------


def _area(shape: FrameShape) -> float:
    if shape.type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = shape.points
        return (x1 - x0) * (y1 - y0)
    xs, ys = shape.points[::2], shape.points[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def _box(members: Sequence[FrameShape]) -> Box:
    if len(members) == 1 and members[0].type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = members[0].points  # CVAT exports negative sides for one drawn from another corner
        return x0, y0, x1 - x0, y1 - y0
    extents = [_extent(member) for member in members]
    left, top = min(one[0] for one in extents), min(one[1] for one in extents)
    return left, top, max(one[2] for one in extents) - left, max(one[3] for one in extents) - top


def _extent(shape: FrameShape) -> tuple[float, float, float, float]:
    if shape.type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = shape.points
        return x0, y0, x1, y1
    xs, ys = shape.points[::2], shape.points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _corners_of(box: Box) -> Polygons:
    x, y, width, height = box
    return ((x, y, x + width, y, x + width, y + height, x, y + height),)


# --- attributes -------------------------------------------------------------------------------------------------------


def _score(shape: FrameShape, labels: _Labels) -> float | None:
    value = _attribute(shape, labels, "score")
    return None if value is None else _number(str(float(value)) if isinstance(value, bool) else str(value))


def _attribute(shape: FrameShape, labels: _Labels, name: str) -> bool | float | str | None:
    spec = next((spec for spec in labels[shape.label_id].attributes if spec.name == name), None)
    if spec is None:
        return None
    text = _text(shape, spec)
    if spec.input_type is InputType.CHECKBOX:
        return text.lower() == "true"
    return _number(text) if spec.input_type is InputType.NUMBER else text


def _text(shape: FrameShape, spec: AttributeSpec) -> str:
    return next((value.value for value in shape.attributes if value.spec_id == spec.id), spec.default)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
