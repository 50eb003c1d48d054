"""Hypothesis strategies for the content of a dataset: objects of every kind that a format can hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from labelyard.annotations.content import Attributes, Content, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.faults import fault_of
from labelyard.annotations.masks import mask_points
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.objects import StoredObject

CAR = Label("car", (
    AttributeSpec("colour", InputType.SELECT, "red", ("red", "blue")),
    AttributeSpec("age", InputType.NUMBER, "5", ("0", "100", "1"), mutable=True),
    AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",), mutable=True),
    AttributeSpec("plate", InputType.TEXT, "", ("",)),
    AttributeSpec("rotation", InputType.TEXT, "", ("",)),  # the name of a field of our own
    AttributeSpec("rotation_attribute", InputType.TEXT, "", ("",)),  # and the name that the other one gets
), id=1)  # fmt: skip
PERSON = Label("Bürger & Söhne", id=2)
BODY = Label(
    "body", type="skeleton", edges=((0, 1), (1, 2)), id=3,
    sublabels=(
        Label("head", (AttributeSpec("seen", InputType.CHECKBOX, "true", ("true",)),)), Label("hand"), Label("foot"),
    ),
)  # fmt: skip
CORNER = Label("corner", type="points", id=4)
LABELS = (CAR, PERSON, BODY, CORNER)

IMAGES = tuple(
    Image(name, width, height, frame, name.rpartition("/")[2], StoredObject("raw", name, f"etag{frame}"))
    for frame, (name, width, height) in enumerate(
        [("in/a.jpg", 64, 48), ("in/b/a.jpg", 40, 60), ("in/ü d.png", 32, 32)]
    )
)

_EDGE = 32
_VISIBILITIES = [(False, False), (False, True), (True, False)]
_coordinates = st.floats(0, _EDGE, width=32).map(lambda value: round(value, 2))


def _attributes(label: Label) -> st.SearchStrategy[Attributes]:
    values = {
        InputType.SELECT: st.sampled_from(["red", "blue"]),
        InputType.NUMBER: st.integers(0, 100),
        InputType.CHECKBOX: st.booleans(),
        InputType.TEXT: st.text(max_size=8),
    }
    return st.fixed_dictionaries({spec.name: values[spec.input_type] for spec in label.attributes})


def _points(count: int, most: int) -> st.SearchStrategy[tuple[float, ...]]:
    pairs = st.lists(st.tuples(_coordinates, _coordinates), min_size=count, max_size=most, unique=True)
    return pairs.map(lambda found: tuple(value for pair in found for value in pair))


@st.composite
def _mask(draw: st.DrawFn) -> tuple[float, ...]:
    rows = draw(st.lists(st.lists(st.booleans(), min_size=_EDGE, max_size=_EDGE), min_size=1, max_size=6))
    pixels = np.zeros((_EDGE, _EDGE), np.uint8)
    pixels[: len(rows)] = np.array(rows, np.uint8)
    return mask_points(pixels)


@st.composite
def _skeleton(draw: st.DrawFn) -> tuple[Keypoint, ...]:
    return tuple(
        Keypoint(
            one.name, draw(_coordinates), draw(_coordinates), *draw(st.sampled_from(_VISIBILITIES)),
            draw(_attributes(one)),
        )
        for one in BODY.sublabels
    )  # fmt: skip


@st.composite
def frame_objects(draw: st.DrawFn, kinds: tuple[Kind, ...] = tuple(Kind)) -> FrameObject:
    """Draw an object that has no fault."""
    kind = draw(st.sampled_from(kinds))
    frame = draw(st.integers(0, len(IMAGES) - 1))
    if kind is Kind.SKELETON:
        label = BODY
    else:
        label = draw(st.sampled_from([CAR, PERSON, *([CORNER] if kind is Kind.POINTS else [])]))
    points = {
        Kind.RECTANGLE: _points(2, 2), Kind.POLYGON: _points(3, 7), Kind.POLYLINE: _points(2, 5),
        Kind.POINTS: _points(1, 4), Kind.ELLIPSE: _points(2, 2).map(_as_ellipse), Kind.CUBOID: _points(8, 8),
        Kind.MASK: _mask(),
    }  # fmt: skip
    one = FrameObject(
        kind, frame, label.name, draw(points[kind]) if kind in points else (),
        rotation=draw(st.sampled_from([0.0, 30.0, 271.5])) if kind in (Kind.RECTANGLE, Kind.ELLIPSE) else 0.0,
        keypoints=draw(_skeleton()) if kind is Kind.SKELETON else (), attributes=draw(_attributes(label)),
        group=draw(st.sampled_from([0, 0, 0, 1, 2])), z_order=draw(st.sampled_from([0, 0, 3, -1])),
        source=draw(st.sampled_from(["manual", "auto"])), score=draw(st.sampled_from([None, 0.5])),
        occluded=kind not in (Kind.TAG, Kind.SKELETON) and draw(st.booleans()),
    )  # fmt: skip
    if kind is not Kind.TAG and draw(st.booleans()):
        one = replace(one, track=draw(st.integers(0, 3)), keyframe=draw(st.booleans()))
    image = IMAGES[frame]
    labels = {label.name: label for label in LABELS}
    return one if fault_of(one, labels, (image.width, image.height)) is None else _sound(one)


def _as_ellipse(points: tuple[float, ...]) -> tuple[float, ...]:
    x, y, right, top = points
    return x, y, max(x, right) + 1, min(y, top) - 1


def _sound(one: FrameObject) -> FrameObject:
    """Return a simple object of the same kind in place of a faulty one."""
    corners = (2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 2.0, 9.0)
    points = {
        Kind.RECTANGLE: (2.0, 2.0, 12.0, 9.0), Kind.POLYGON: corners, Kind.ELLIPSE: (10.0, 10.0, 15.0, 6.0),
        Kind.MASK: (0.0, 4.0, 3.0, 3.0, 4.0, 4.0),
    }  # fmt: skip
    keypoints = tuple(
        Keypoint(sublabel.name, 3.0 + 4 * number, 5.0 + 3 * number) for number, sublabel in enumerate(BODY.sublabels)
    )
    return replace(one, points=points.get(one.kind, ()), keypoints=keypoints if one.kind is Kind.SKELETON else ())


def contents(kinds: tuple[Kind, ...] = tuple(Kind), most: int = 12) -> st.SearchStrategy[Content]:
    """Draw images with objects on them."""
    return st.lists(frame_objects(kinds), max_size=most).map(lambda found: Content(IMAGES, LABELS, tuple(found)))
