"""What bots draw on photographs besides the boxes of the ground truth: every kind of object that the server has.

All of it depends only on the `Random` that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; pixels, to two digits."""

Points = tuple[float, ...]

_GROUP = 1
"""The group of two polygons: the two parts of an object that something in front divides."""

_MASK = 24, 18  # columns and rows
_TURNING = (ShapeType.RECTANGLE, ShapeType.ELLIPSE)


def drawable(labels: Sequence[Label]) -> list[Label]:
    """Return the labels for which any kind of shape may be drawn."""
    return [label for label in labels if label.type == "any"]


def draw_every_kind(frame: Frame, number: int, labels: Sequence[Label], family: str, random: Random) -> Annotations:
    """Return one object of every kind that servers of a `family` have, and a group of two, on frame `number`."""
    usable = drawable(labels)
    if not usable:
        return Annotations()
    shapes = [_shape(kind, frame, number, random.choice(usable), random) for kind in _KINDS[family]]
    shapes += _group(frame, number, random.choice(usable), random)
    shapes += [_skeleton(frame, number, label, random) for label in labels if label.sublabels]
    label = random.choice(usable)
    return Annotations(tuple(shapes), tags=(Tag(number, label.id, attributes=attribute_values(label, random)),))


def draw_tracks(frames: Sequence[Frame], span: range, labels: Sequence[Label], random: Random) -> tuple[Track, ...]:
    """Return two tracks over the frames of a job, which are outside on its last one; none if there is no other."""
    usable = drawable(labels)
    if len(span) < 2 or not usable:
        return ()
    width, height = (min(getattr(frames[number], side) for number in span) for side in ("width", "height"))
    changing = next((one for one in usable if any(spec.mutable for spec in one.attributes)), usable[0])
    return (
        _track(ShapeType.RECTANGLE, _box, width, height, span, changing, random),
        _track(ShapeType.POLYGON, _polygon, width, height, span, random.choice(usable), random),
    )


def attribute_values(
    label: Label, random: Random, *, mutable: bool = True, immutable: bool = True
) -> tuple[AttributeValue, ...]:
    """Return a value for each attribute of a label, or only for those that may change in a track, or may not."""
    return tuple(
        AttributeValue(spec.id, _value(spec, random))
        for spec in label.attributes
        if (mutable if spec.mutable else immutable)
    )


def _value(spec: AttributeSpec, random: Random) -> str:
    match spec.input_type:
        case InputType.CHECKBOX:
            return random.choice(["true", "false"])
        case InputType.NUMBER:
            low, high, step = map(int, spec.values)
            return str(random.randrange(low, high + 1, step))
        case InputType.TEXT:
            return random.choice(["", "Gänseblümchen", "a & b"])
        case _:
            return random.choice(spec.values)


# --- shapes -----------------------------------------------------------------------------------------------------------


def _area(width: int, height: int, random: Random) -> Box:
    """Return a box inside of an image, whole pixels from an eighth to a third of it."""
    box_width, box_height = (max(random.randint(side // 8, side // 3), 2) for side in (width, height))
    left, top = random.randint(0, width - box_width), random.randint(0, height - box_height)
    return left, top, left + box_width, top + box_height


def _shape(kind: ShapeType, frame: Frame, number: int, label: Label, random: Random) -> Shape:
    if kind is ShapeType.MASK:
        points = _mask(frame, random)
    else:
        points = _POINTS[kind](_unsteady(_area(frame.width, frame.height, random), random))
    return Shape(
        kind, number, label.id, points,
        occluded=random.random() < 0.3, attributes=attribute_values(label, random),
        rotation=float(random.randint(1, 359)) if kind in _TURNING else 0.0,
    )  # fmt: skip


def _unsteady(box: Box, random: Random) -> Box:
    """Return a box that is up to half a pixel smaller on each side, as a hand draws it."""
    left, top, right, bottom = box
    by = [random.randint(0, 50) / 100 for _ in box]
    return round(left + by[0], 2), round(top + by[1], 2), round(right - by[2], 2), round(bottom - by[3], 2)


def _box(box: Box) -> Points:
    return box


def _polygon(box: Box) -> Points:
    left, top, right, bottom = box
    return _rounded(left + (right - left) / 2, top, right, top + (bottom - top) / 2, right, bottom, left, bottom)


def _polyline(box: Box) -> Points:
    left, top, right, bottom = box
    return _rounded(left, bottom, left + (right - left) / 2, top, right, bottom)


def _cuboid(box: Box) -> Points:
    """Return the corners of the front and of the back, each upper left, lower left, upper right, lower right."""
    left, top, right, bottom = box
    dx, dy = (right - left) / 4, (bottom - top) / 4
    front, back = (left, top + dy, right - dx, bottom), (left + dx, top, right, bottom - dy)
    return _rounded(*(value for x, y, x2, y2 in (front, back) for value in (x, y, x, y2, x2, y, x2, y2)))


def _ellipse(box: Box) -> Points:
    left, top, right, bottom = box
    return _rounded((left + right) / 2, (top + bottom) / 2, right, top)


def _rounded(*values: float) -> Points:
    return tuple(round(value, 2) for value in values)


def _mask(frame: Frame, random: Random) -> Points:
    """Return a triangle with a hole as run lengths of its box, row by row, background first, then the box."""
    columns, rows = min(_MASK[0], frame.width), min(_MASK[1], frame.height)
    left, top = random.randint(0, frame.width - columns), random.randint(0, frame.height - rows)
    pixels = [
        x * rows < (y + 1) * columns and not (x == 2 and rows // 2 <= y < rows - 1)
        for y in range(rows)
        for x in range(columns)
    ]
    runs = [(value, len(list(same))) for value, same in groupby(pixels)]
    lengths = [0] * runs[0][0] + [length for _, length in runs]
    return tuple(map(float, (*lengths, left, top, left + columns - 1, top + rows - 1)))


def _group(frame: Frame, number: int, label: Label, random: Random) -> Iterator[Shape]:
    """Yield the upper and the lower part of one object."""
    left, top, right, bottom = _area(frame.width, frame.height, random)
    part, values = (bottom - top) / 3, attribute_values(label, random)
    for box in ((left, top, right, top + part), (left, bottom - part, right, bottom)):
        yield Shape(ShapeType.POLYGON, number, label.id, _polygon(box), _GROUP, occluded=True, attributes=values)


def _skeleton(frame: Frame, number: int, label: Label, random: Random) -> Shape:
    """Return a skeleton whose last point is outside of the picture now and then, and one of the others hidden."""
    left, top, right, bottom = _area(frame.width, frame.height, random)
    last, hidden = len(label.sublabels) - 1, random.randrange(len(label.sublabels))
    is_outside = last > 0 and random.random() < 0.5
    elements = tuple(
        Shape(
            ShapeType.POINTS, number, point.id,
            _rounded(random.uniform(left, right), random.uniform(top, bottom)),
            occluded=n == hidden and not (is_outside and n == last), outside=is_outside and n == last,
            attributes=attribute_values(point, random),
        )
        for n, point in enumerate(label.sublabels)
    )  # fmt: skip
    return Shape(
        ShapeType.SKELETON, number, label.id, (), attributes=attribute_values(label, random), elements=elements
    )


_POINTS: Mapping[ShapeType, Callable[[Box], Points]] = {
    ShapeType.RECTANGLE: _box,
    ShapeType.POLYGON: _polygon,
    ShapeType.POLYLINE: _polyline,
    ShapeType.POINTS: _polyline,
    ShapeType.CUBOID: _cuboid,
    ShapeType.ELLIPSE: _ellipse,
}
_V1 = (ShapeType.POLYGON, ShapeType.POLYLINE, ShapeType.POINTS, ShapeType.CUBOID)
_KINDS = {"v1": _V1, "v2": (*_V1, ShapeType.RECTANGLE, ShapeType.ELLIPSE, ShapeType.MASK)}
"""The kinds of shapes that a family has besides upright rectangles, and skeletons."""


# --- tracks -----------------------------------------------------------------------------------------------------------


def _track(
    kind: ShapeType,
    outline: Callable[[Box], Points],
    width: int,
    height: int,
    span: range,
    label: Label,
    random: Random,
) -> Track:
    """Return a track with key frames on the first frame, the last but one and, outside, the last."""
    first = _area(width, height, random)
    # It moves half of the way to the lower right corner, by whole pixels.
    dx, dy = (width - int(first[2])) // 2, (height - int(first[3])) // 2
    second = (first[0] + dx, first[1] + dy, first[2] + dx, first[3] + dy)
    boxes = {span[0]: first, span[-2]: second} if len(span) > 2 else {span[0]: first}
    keys = [
        TrackedShape(
            kind, number, outline(box),
            occluded=random.random() < 0.5, attributes=attribute_values(label, random, immutable=False),
        )
        for number, box in boxes.items()
    ]  # fmt: skip
    keys.append(replace(keys[-1], frame=span[-1], outside=True))
    return Track(span[0], label.id, tuple(keys), attributes=attribute_values(label, random, mutable=False))
