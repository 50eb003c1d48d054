"""Hypothesis strategies for what people draw in a small task, of every kind that its server has."""

from __future__ import annotations

from hypothesis import strategies as st

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Task
from tests.support.cvat_families import V1

SIZE = 5
"""Frames of the task, each of WIDTH x HEIGHT pixels."""
WIDTH, HEIGHT = 64, 48

LABELS = (
    Label("car", (
        AttributeSpec("colour", InputType.SELECT, "red", ("red", "blue")),
        AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",), mutable=True),
    )),
    Label("person", (AttributeSpec("age", InputType.NUMBER, "5", ("0", "100", "1"), mutable=True),)),
    Label("tree"),
)  # fmt: skip

_VALUES = {"colour": ["red", "blue"], "parked": ["true", "false"], "age": ["0", "42"]}
_OF_V1 = [ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POLYLINE, ShapeType.POINTS, ShapeType.CUBOID]
_OF_V2 = [*_OF_V1, ShapeType.ELLIPSE, ShapeType.MASK]
_ROTATED = (ShapeType.RECTANGLE, ShapeType.ELLIPSE)
_x = st.integers(0, WIDTH * 8).map(lambda number: number / 8)
_y = st.integers(0, HEIGHT * 8).map(lambda number: number / 8)
_frames = st.integers(0, SIZE - 1)


@st.composite
def _points(draw: st.DrawFn, kind: ShapeType) -> tuple[float, ...]:
    if kind is ShapeType.MASK:
        width, height = draw(st.integers(1, 6)), draw(st.integers(1, 6))
        first = draw(st.integers(0, width * height - 1))
        return float(first), float(width * height - first), 2.0, 3.0, 1.0 + width, 2.0 + height
    if kind in (ShapeType.RECTANGLE, ShapeType.ELLIPSE):
        x, y, right, bottom = draw(st.tuples(_x, _y, _x, _y))
        if kind is ShapeType.RECTANGLE:
            return min(x, right), min(y, bottom), max(x, right) + 1, max(y, bottom) + 1
        return x, y, max(x, right) + 1, min(y, bottom) - 1
    count = 8 if kind is ShapeType.CUBOID else draw(st.integers(3, 6))
    # Unique: how CVAT resamples a track whose corners are all one point was never measured.
    pairs = draw(st.lists(st.tuples(_x, _y), min_size=count, max_size=count, unique=True))
    return tuple(value for pair in pairs for value in pair)


@st.composite
def _attributes(draw: st.DrawFn, label: Label, *, mutable: bool | None = None) -> tuple[AttributeValue, ...]:
    specs = [spec for spec in label.attributes if mutable is None or spec.mutable is mutable]
    return tuple(AttributeValue(spec.id, draw(st.sampled_from(_VALUES[spec.name]))) for spec in specs)


@st.composite
def _shape(draw: st.DrawFn, task: Task, version: str) -> Shape:
    kind, label = draw(st.sampled_from(_OF_V1 if version == V1 else _OF_V2)), draw(st.sampled_from(task.labels))
    rotation = draw(st.sampled_from([0.0, 30.0])) if version != V1 and kind in _ROTATED else 0.0
    return Shape(
        kind, draw(_frames), label.id, draw(_points(kind)), draw(st.integers(0, 2)), draw(st.integers(-1, 2)),
        draw(st.booleans()), draw(_attributes(label)), rotation=rotation,
    )  # fmt: skip


@st.composite
def _track(draw: st.DrawFn, task: Task) -> Track:
    kind, label = draw(st.sampled_from([ShapeType.RECTANGLE, ShapeType.POLYGON])), draw(st.sampled_from(task.labels))
    frames = sorted(draw(st.sets(_frames, min_size=1, max_size=3)))
    keys = tuple(
        TrackedShape(
            kind, frame, draw(_points(kind)), outside=bool(number) and draw(st.booleans()),
            occluded=draw(st.booleans()),
            attributes=draw(_attributes(label, mutable=True)),
        )
        for number, frame in enumerate(frames)
    )  # fmt: skip
    return Track(frames[0], label.id, keys, draw(st.integers(0, 2)), draw(_attributes(label, mutable=False)))


@st.composite
def _tag(draw: st.DrawFn, task: Task) -> Tag:
    label = draw(st.sampled_from(task.labels))
    return Tag(draw(_frames), label.id, attributes=draw(_attributes(label)))


def drawn_in(task: Task, version: str) -> st.SearchStrategy[Annotations]:
    """Return annotations of a task with LABELS and SIZE frames."""
    return st.builds(
        lambda shapes, tracks, tags: Annotations(tuple(shapes), tuple(tracks), tuple(tags)),
        st.lists(_shape(task, version), max_size=10),
        st.lists(_track(task), max_size=3),
        st.lists(_tag(task), max_size=2),
    )
