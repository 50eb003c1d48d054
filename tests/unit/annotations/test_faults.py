"""Objects that CVAT stores and no dataset can hold are named; every other object has no fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from labelyard.annotations.content import FrameObject, Keypoint, Kind
from labelyard.annotations.faults import fault_of
from labelyard.domain.labels import AttributeSpec, InputType, Label
from tests.support.content_strategies import BODY, CAR, IMAGES, LABELS, frame_objects

BY_NAME = {label.name: label for label in LABELS}
SIZE = (64, 48)
BOX = FrameObject(Kind.RECTANGLE, 0, "car", (1.0, 1.0, 9.0, 9.0))
NAN = float("nan")

FAULTS = {
    "beyond the task": (BOX, None),
    "none of the task's": (replace(BOX, label="label 7"), SIZE),
    "not a number": (replace(BOX, points=(1.0, NAN, 9.0, 9.0)), SIZE),
    "250,000 pixels": (replace(BOX, points=(1.0, 1.0, 300_000.0, 9.0)), SIZE),
    "two million pixels": (replace(BOX, kind=Kind.POLYGON, points=(-2e5, 1.0, 2e5, 2.0) * 10), SIZE),
    "needs 2": (replace(BOX, points=(1.0, 1.0, 9.0, 9.0, 50.0, 50.0)), SIZE),
    "area is zero": (replace(BOX, points=(1.0, 1.0, 9.0, 1.0)), SIZE),
    "outside of the image": (replace(BOX, points=(70.0, 1.0, 90.0, 9.0)), SIZE),
    "'green', which": (replace(BOX, attributes={"colour": "green"}), SIZE),
    "value 101": (replace(BOX, attributes={"age": 101}), SIZE),
    "value 'maybe'": (replace(BOX, attributes={"parked": "maybe"}), SIZE),
    "2 points": (replace(BOX, kind=Kind.POLYGON, points=(1.0, 1.0, 9.0, 9.0)), SIZE),
    "1 points": (replace(BOX, kind=Kind.POLYLINE, points=(1.0, 1.0)), SIZE),
    "needs 8": (replace(BOX, kind=Kind.CUBOID), SIZE),
    "far larger": (replace(BOX, kind=Kind.MASK, points=(0.0, 4e8, 0.0, 0.0, 19_999.0, 19_999.0)), SIZE),
    "no whole number": (replace(BOX, kind=Kind.MASK, points=(0.5, 15.5, 0.0, 0.0, 3.0, 3.0)), SIZE),
    "below 10^15": (replace(BOX, kind=Kind.MASK, points=(0.0, 1e300, 0.0, 0.0, 3.0, 3.0)), SIZE),
    "no run lengths": (replace(BOX, kind=Kind.MASK, points=(4.0, 0.0, 0.0, 1.0)), SIZE),
    "add up to 3": (replace(BOX, kind=Kind.MASK, points=(1.0, 2.0, 0.0, 0.0, 1.0, 1.0)), SIZE),
    "no pixels": (replace(BOX, kind=Kind.MASK, points=(4.0, 0.0, 0.0, 1.0, 1.0)), SIZE),
    "without points": (FrameObject(Kind.SKELETON, 0, "body"), SIZE),
    "two points 'head'": (FrameObject(Kind.SKELETON, 0, "body", keypoints=(Keypoint("head", 1, 1),) * 2), SIZE),
    "point 'tree'": (FrameObject(Kind.SKELETON, 0, "body", keypoints=(Keypoint("tree", 1, 1),)), SIZE),
    "does not have": (FrameObject(Kind.SKELETON, 0, "car", keypoints=(Keypoint("head", 1, 1),)), SIZE),
    "all points": (FrameObject(Kind.SKELETON, 0, "body", keypoints=(Keypoint("head", 1, 1, outside=True),)), SIZE),
}


@pytest.mark.parametrize(("words", "one", "size"), [(words, *case) for words, case in FAULTS.items()], ids=FAULTS)
def test_a_faulty_object_is_named(words: str, one: FrameObject, size: tuple[int, int] | None) -> None:
    assert words in (fault_of(one, BY_NAME, size) or "")


@given(one=frame_objects())
def test_what_can_be_drawn_has_no_fault(one: FrameObject) -> None:
    image = IMAGES[one.frame]
    assert fault_of(one, BY_NAME, (image.width, image.height)) is None


def test_a_shape_that_reaches_out_of_the_image_has_no_fault() -> None:
    assert fault_of(replace(BOX, points=(-5.0, -5.0, 500.0, 9.0)), BY_NAME, SIZE) is None


def test_the_default_of_a_label_is_no_fault_whatever_it_is() -> None:
    odd = Label("car", (AttributeSpec("age", InputType.NUMBER, "", ("9", "0", "1")),))
    assert fault_of(replace(BOX, attributes={"age": ""}), {"car": odd}, SIZE) is None


def test_the_value_of_a_points_attribute_counts_too() -> None:
    head = Keypoint("head", 1, 1, attributes={"seen": "perhaps"})
    assert "'seen'" in (fault_of(FrameObject(Kind.SKELETON, 0, BODY.name, keypoints=(head,)), BY_NAME, SIZE) or "")
    assert CAR.name in BY_NAME
