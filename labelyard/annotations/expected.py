"""What CVAT's `COCO 1.0` file of a task should hold, foretold from the task's annotations.

The rules were measured on CVAT 1.0.0. Where the server's own arithmetic decides (the leader of a group with polygons,
the outline of a polygon track), an expectation says what it leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from labelyard.annotations.content import Annotation, Box, CocoContent, Finding, Image, Polygons, Rle
from labelyard.annotations.masks import HUGE, raster_area, rasterise
from labelyard.annotations.tracks import Placed, placed
from labelyard.domain.annotations import Annotations, ShapeType
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame

_KEPT = (ShapeType.RECTANGLE, ShapeType.POLYGON)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One annotation that should be in the file, and how much of it is certain.

    `labels` are all that would be right (one of a group's members leads it); with more than one *leader* possible
    crowd and score are open too. Without `outline` only frame and label are certain.
    """

    annotation: Annotation
    labels: frozenset[str]
    leader: bool = True
    outline: bool = True
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """The foretold file. `findings` name what CVAT's export fails on; those shapes are not among the annotations."""

    images: tuple[Image, ...]
    categories: tuple[str, ...]
    annotations: tuple[Expectation, ...]
    findings: tuple[Finding, ...]

    @property
    def content(self) -> CocoContent:
        """The same as the content of a file, what is open filled in as well as can be."""
        return CocoContent(self.images, self.categories, tuple(e.annotation for e in self.annotations))


def expected(annotations: Annotations, frames: Sequence[Frame], labels: Sequence[Label]) -> Expected:
    """What the export of a task with these `frames` and `labels` should hold; never raises, sees findings instead."""
    ordered = sorted(labels, key=lambda label: label.id)
    by_id = {label.id: label for label in ordered}
    shapes = placed(annotations, len(frames))
    faults = [(shape, fault) for shape in shapes if (fault := _fault(shape, frames, by_id))]
    bad = {id(shape) for shape, _ in faults}
    sound = [shape for shape in shapes if id(shape) not in bad and shape.type in _KEPT]
    return Expected(
        images=tuple(Image(frame.name, frame.width, frame.height) for frame in frames),
        categories=tuple(label.name for label in ordered),
        annotations=tuple(_instance(members, frames[members[0].frame], by_id) for members in _instances(sound)),
        findings=(
            *(_finding(shape, fault, frames) for shape, fault in faults),
            *_beside(annotations, len(frames)),
        ),
    )


def _finding(shape: Placed, what: str, frames: Sequence[Frame]) -> Finding:
    name = f" ({frames[shape.frame].name})" if 0 <= shape.frame < len(frames) else ""
    return Finding(f"frame {shape.frame}{name}, {shape.origin}", what)


def _fault(shape: Placed, frames: Sequence[Frame], labels: dict[int, Label]) -> str:
    # An export of CVAT 1.0.0 fails as a whole on the first of these, whatever kind of shape it is.
    if not 0 <= shape.frame < len(frames):
        return _beyond(len(frames))
    if shape.label_id not in labels:
        return f"has label {shape.label_id}, which the task does not have; delete it"
    return _misdrawn(shape) if shape.type in _KEPT else ""


def _beyond(size: int) -> str:
    return f"is beyond the task, which has {size} frames: CVAT's export fails on it; delete it"


def _misdrawn(shape: Placed) -> str:
    if not all(math.isfinite(value) and abs(value) < HUGE for value in shape.points):
        return "has a coordinate that is not a number or lies beyond a million pixels; draw it again"
    if shape.type is ShapeType.RECTANGLE and len(shape.points) != 4:
        return f"is a rectangle of {len(shape.points)} numbers instead of 4; draw it again"
    if shape.type is ShapeType.POLYGON and (len(shape.points) < 6 or len(shape.points) % 2):
        return (
            f"is a polygon of {len(shape.points) / 2:g} points: CVAT's export fails on it; draw it again or delete it"
        )
    return ""


def _beside(annotations: Annotations, size: int) -> Iterator[Finding]:
    for tag in annotations.tags:
        if not 0 <= tag.frame < size:
            yield Finding(f"frame {tag.frame}, tag {tag.id}", _beyond(size))
    for track in annotations.tracks:
        if len({key.type for key in track.shapes}) > 1:
            what = "has key frames of different kinds: CVAT's export fails on it; only its key frames are kept"
            yield Finding(f"track {track.id}", what)


def _instances(shapes: Sequence[Placed]) -> Iterator[list[Placed]]:
    # CVAT's order: by frame, then z_order, then group, each sort stable; group 0 stands for single shapes.
    ordered = sorted(shapes, key=lambda shape: (shape.frame, shape.group, shape.z_order))
    for (_, group), members in groupby(ordered, key=lambda shape: (shape.frame, shape.group)):
        if group:
            yield list(members)
        else:
            yield from ([member] for member in members)


def _instance(members: Sequence[Placed], frame: Frame, labels: dict[int, Label]) -> Expectation:
    leaders = _leaders(members)
    leader = leaders[0]
    bbox = _bbox(members)
    polygons: Polygons = tuple(member.points for member in members if member.type is ShapeType.POLYGON)
    crowd = bool(polygons) and _value(leader, labels, "is_crowd") == 1
    annotation = Annotation(
        frame=leader.frame,
        label=labels[leader.label_id].name,
        bbox=bbox,
        segmentation=_segmentation(polygons, bbox, frame, crowd=crowd),
        area=raster_area(polygons, frame.height, frame.width) if polygons else bbox[2] * bbox[3],
        crowd=crowd,
        score=_score(leader, labels),
    )
    return Expectation(
        annotation,
        labels=frozenset(labels[member.label_id].name for member in leaders),
        leader=len(leaders) == 1,
        outline=all(member.certain for member in members),
        origin=_origins(members),
    )


def _leaders(members: Sequence[Placed]) -> list[Placed]:
    # CVAT measures polygons wrongly (in a canvas at 0,0), so that with one in the group anybody may lead;
    # equal areas go by the order of database rows, which nothing fixes. The likeliest comes first.
    largest = max(_extent(member) for member in members)
    by_extent = sorted(members, key=lambda member: (-_extent(member), member.type is ShapeType.POLYGON))
    if len(members) > 1 and any(member.type is ShapeType.POLYGON for member in members):
        return by_extent
    return [member for member in by_extent if _extent(member) == largest]


def _extent(shape: Placed) -> float:
    if shape.type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = shape.points
        return (x1 - x0) * (y1 - y0)
    xs, ys = shape.points[::2], shape.points[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def _bbox(members: Sequence[Placed]) -> Box:
    if len(members) == 1 and members[0].type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = members[0].points  # drawn from the wrong corner its width is negative, and exported so
        return x0, y0, x1 - x0, y1 - y0
    corners = [_corners(member) for member in members]
    left, top = min(c[0] for c in corners), min(c[1] for c in corners)
    return left, top, max(c[2] for c in corners) - left, max(c[3] for c in corners) - top


def _corners(shape: Placed) -> Box:
    if shape.type is ShapeType.RECTANGLE:
        x0, y0, x1, y1 = shape.points
        return x0, y0, x1, y1
    xs, ys = shape.points[::2], shape.points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _segmentation(polygons: Polygons, bbox: Box, frame: Frame, *, crowd: bool) -> Polygons | Rle:
    if crowd:
        return rasterise(polygons, frame.height, frame.width)
    x, y, width, height = bbox
    return polygons or ((x, y, x + width, y, x + width, y + height, x, y + height),)


def _raw(shape: Placed, spec: AttributeSpec) -> str:
    return next((given.value for given in shape.attributes if given.spec_id == spec.id), spec.default)


def _value(shape: Placed, labels: dict[int, Label], name: str) -> bool | float | str | None:
    spec = next((spec for spec in labels[shape.label_id].attributes if spec.name == name), None)
    if spec is None:
        return None
    raw = _raw(shape, spec)
    if spec.input_type is InputType.CHECKBOX:
        return raw.lower() == "true"
    return _number(raw) if spec.input_type is InputType.NUMBER else raw


def _score(shape: Placed, labels: dict[int, Label]) -> float | None:
    value = _value(shape, labels, "score")
    return None if value is None else _number(str(float(value)) if isinstance(value, bool) else str(value))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _origins(members: Sequence[Placed]) -> str:
    return " + ".join(member.origin for member in members)
