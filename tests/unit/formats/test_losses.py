"""What `labelyard validate` says a format will drop is what it drops."""

from __future__ import annotations

import pytest
from hypothesis import given

from labelyard.annotations.content import FrameObject, Kind
from labelyard.domain.labels import Label
from labelyard.formats import FORMATS
from labelyard.formats.losses import losses
from tests.support.content_strategies import BODY, CAR, CORNER, IMAGES, LABELS, PERSON, frame_objects

every_format = pytest.mark.parametrize("name", FORMATS)


def lines(name: str, *labels: Label) -> list[str]:
    return list(losses(FORMATS[name], labels).lines(name))


def test_coco_drops_nothing() -> None:
    assert lines("coco", *LABELS) == []


def test_kinds_and_attributes_are_named() -> None:
    parked = Label("car", CAR.attributes[:3])
    assert lines("yolo-detect", parked, PERSON) == [
        "yolo-detect drops turned rectangle, polygon, polyline, points, ellipse, cuboid, mask, tag",
        "yolo-detect drops the attributes of car (colour, age, parked), and occluded, track, group, z-order",
    ]


def test_labels_of_which_nothing_is_kept_are_named() -> None:
    assert lines("yolo-pose", CAR, BODY) == [
        "yolo-pose drops everything of car",
        "yolo-pose drops track, group, z-order",
    ]
    assert lines("coco-keypoints", CAR, BODY, CORNER) == ["coco-keypoints drops everything of car"]


def test_what_depends_on_the_label_names_it() -> None:
    assert lines("hf", PERSON, CORNER) == ["hf drops polyline, points, cuboid, tag of Bürger & Söhne"]


def test_what_a_kept_shape_loses_is_said() -> None:
    assert lines("yolo-segment", PERSON)[2:] == [
        "yolo-segment: an ellipse becomes a polygon",
        "yolo-segment: a mask becomes its outer outline: holes are filled, lines join its parts",
    ]


def test_a_long_list_of_labels_is_cut() -> None:
    found = lines("yolo-pose", *(Label(f"label {number}") for number in range(9)))
    assert found == [
        "yolo-pose drops everything of label 0, label 1, label 2, label 3, label 4, label 5 and 3 more",
    ]


@every_format
@given(one=frame_objects())
def test_a_format_holds_no_object_that_it_is_said_to_drop(name: str, one: FrameObject) -> None:
    form, label = FORMATS[name], next(label for label in LABELS if label.name == one.label)
    found = losses(form, LABELS)
    kind = "turned rectangle" if one.kind is Kind.RECTANGLE and one.rotation else str(one.kind)
    dropped = one.label in found.labels or kind in found.kinds[one.label]
    holds = form.holds[one.kind].held and form.refusal(one, label, IMAGES[one.frame]) is None
    assert not (dropped and holds)
