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

SKELETON = Label("body", type="skeleton", sublabels=(Label("head"), Label("hand")), edges=((0, 1),))
"""A further label of a server of 2.x."""


def labels_of(version: str) -> tuple[Label, ...]:
    """Return the labels of a task on a server of a version."""
    return LABELS if version == V1 else (*LABELS, SKELETON)


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
    kind, label = draw(st.sampled_from(_OF_V1 if version == V1 else _OF_V2)), draw(st.sampled_from(_plain(task)))
    rotation = draw(st.sampled_from([0.0, 30.0])) if version != V1 and kind in _ROTATED else 0.0
    return Shape(
        kind, draw(_frames), label.id, draw(_points(kind)), draw(st.integers(0, 2)), draw(st.integers(-1, 2)),
        draw(st.booleans()), draw(_attributes(label)), rotation=rotation,
    )  # fmt: skip


def _plain(task: Task) -> tuple[Label, ...]:
    return tuple(label for label in task.labels if not label.sublabels)


@st.composite
def _skeleton(draw: st.DrawFn, task: Task) -> Shape:
    label, frame = task.labels[-1], draw(_frames)
    elements = tuple(
        Shape(ShapeType.POINTS, frame, point.id, draw(st.tuples(_x, _y)), occluded=draw(st.booleans()),
              outside=bool(number) and draw(st.booleans()))
        for number, point in enumerate(label.sublabels)
    )  # fmt: skip
    return Shape(ShapeType.SKELETON, frame, label.id, (), draw(st.integers(0, 2)), elements=elements)


@st.composite
def _skeleton_track(draw: st.DrawFn, task: Task) -> Track:
    """A skeleton from one frame on, whose points have key frames of their own."""
    label, frame = task.labels[-1], draw(_frames)
    keys = [TrackedShape(ShapeType.SKELETON, frame, ())]
    if frame < SIZE - 1 and draw(st.booleans()):
        keys.append(TrackedShape(ShapeType.SKELETON, draw(st.integers(frame + 1, SIZE - 1)), (), outside=True))
    elements = tuple(
        Track(frame, point.id, tuple(
            TrackedShape(ShapeType.POINTS, at, draw(st.tuples(_x, _y)), outside=bool(number) and draw(st.booleans()),
                         occluded=draw(st.booleans()))
            for at in sorted({frame, *draw(st.sets(st.integers(frame, SIZE - 1), max_size=2))})
        ))
        for number, point in enumerate(label.sublabels)
    )  # fmt: skip
    return Track(frame, label.id, tuple(keys), draw(st.integers(0, 2)), elements=elements)


@st.composite
def _track(draw: st.DrawFn, task: Task, version: str) -> Track:
    kinds = [ShapeType.RECTANGLE, ShapeType.POLYGON]
    kind = draw(st.sampled_from(kinds if version == V1 else [*kinds, ShapeType.ELLIPSE, ShapeType.MASK]))
    label = draw(st.sampled_from(_plain(task)))
    frames = sorted(draw(st.sets(_frames, min_size=1, max_size=3)))
    keys = tuple(
        TrackedShape(
            kind, frame, draw(_points(kind)), outside=bool(number) and draw(st.booleans()),
            occluded=draw(st.booleans()),
            attributes=draw(_attributes(label, mutable=True)),
            rotation=draw(st.sampled_from([0.0, 30.0, 350.0])) if version != V1 and kind in _ROTATED else 0.0,
        )
        for number, frame in enumerate(frames)
    )  # fmt: skip
    return Track(frames[0], label.id, keys, draw(st.integers(0, 2)), draw(_attributes(label, mutable=False)))


@st.composite
def _tag(draw: st.DrawFn, task: Task) -> Tag:
    label = draw(st.sampled_from(_plain(task)))
    return Tag(draw(_frames), label.id, attributes=draw(_attributes(label)))


def drawn_in(task: Task, version: str) -> st.SearchStrategy[Annotations]:
    """Return annotations of a task with `labels_of(version)` and SIZE frames."""
    shapes, tracks = [_shape(task, version)], [_track(task, version)]
    if version != V1:
        shapes, tracks = [*shapes, _skeleton(task)], [*tracks, _skeleton_track(task)]
    return st.builds(
        lambda shapes, tracks, tags: Annotations(tuple(shapes), tuple(tracks), tuple(tags)),
        st.lists(st.one_of(shapes), max_size=10),
        st.lists(st.one_of(tracks), max_size=3),
        st.lists(_tag(task), max_size=2),
    )
