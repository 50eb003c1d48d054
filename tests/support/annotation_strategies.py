"""Annotations of small tasks, as hypothesis draws them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame

SIZE = 5
FRAMES = [Frame(f"{n:03}.jpg", 60 + n, 40) for n in range(SIZE)]
LABELS = [
    Label("car", (AttributeSpec("is_crowd", InputType.CHECKBOX, "false", ("false",), id=1),), id=11),
    Label("person", (AttributeSpec("score", InputType.NUMBER, "0.5", ("0", "1", "0.1"), id=2),), id=12),
    Label("tree", id=13),
]
"""Each with another way to be special: crowds, scores, nothing."""

KINDS = [ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POLYLINE, ShapeType.POINTS, ShapeType.CUBOID]
"""What an annotator of CVAT v1 can draw."""

_numbers = st.integers(min_value=-160, max_value=600).map(lambda n: n / 8)
_frames = st.integers(min_value=0, max_value=SIZE - 1)
_labels = st.sampled_from([label.id for label in LABELS])


def _points(kind: ShapeType) -> st.SearchStrategy[tuple[float, ...]]:
    if kind is ShapeType.RECTANGLE:
        return st.tuples(_numbers, _numbers, _numbers, _numbers)
    # Corners that all lie on one spot are no outline: how CVAT resamples such a track was never measured.
    corners = st.lists(st.tuples(_numbers, _numbers), min_size=3, max_size=6, unique=True)
    return corners.map(lambda pairs: tuple(value for pair in pairs for value in pair))


def _attributes(label: int) -> st.SearchStrategy[tuple[AttributeValue, ...]]:
    if label == 13:
        return st.just(())
    values = st.sampled_from(["true", "false"] if label == 11 else ["0.1", "0.9"])
    return st.tuples(values.map(lambda value: AttributeValue(label - 10, value))) | st.just(())


@st.composite
def _shape(draw: st.DrawFn, most_groups: int) -> Shape:
    kind, label = draw(st.sampled_from(KINDS)), draw(_labels)
    group, z_order = draw(st.integers(0, most_groups)), draw(st.integers(-1, 2))
    return Shape(kind, draw(_frames), label, draw(_points(kind)), group, z_order, attributes=draw(_attributes(label)))


@st.composite
def _track(draw: st.DrawFn, kinds: list[ShapeType], most_groups: int) -> Track:
    kind, label = draw(st.sampled_from(kinds)), draw(_labels)
    frames = sorted(draw(st.sets(_frames, min_size=1, max_size=3)))
    outside = [False, *draw(st.lists(st.booleans(), min_size=len(frames) - 1, max_size=len(frames) - 1))]
    keys = [
        TrackedShape(kind, frame, draw(_points(kind)), out, attributes=draw(_attributes(label)))
        for frame, out in zip(frames, outside, strict=True)
    ]
    return Track(frames[0], label, tuple(keys), group=draw(st.integers(0, most_groups)))


def annotated(
    *, tracks_of: list[ShapeType] | None = None, most: int = 12, least: int = 0, groups: int = 2
) -> st.SearchStrategy[Annotations]:
    """Annotations of the task with FRAMES and LABELS; ids in order, as a server gives them."""
    return st.builds(
        lambda shapes, tracks, tags: Annotations(
            tuple(replace(shape, id=n) for n, shape in enumerate(shapes, 1)),
            tuple(replace(track, id=n) for n, track in enumerate(tracks, 1)),
            tuple(tags),
        ),
        st.lists(_shape(groups), max_size=most),
        st.lists(_track(tracks_of or [ShapeType.RECTANGLE], groups), max_size=3),
        st.lists(st.builds(Tag, _frames, _labels), max_size=2),
    )
