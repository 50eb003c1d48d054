"""The bodies of annotations in 2.x: what is filled in, what is checked, and CVAT's texts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.v2.labeled_data import has_valid_length, validate

NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6))
LENGTHS = {"rectangle": {4}, "ellipse": {4}, "cuboid": {16}, "skeleton": {0}, "polygon": {6, 8, 10, 12, 14, 16, 18},
           "polyline": {4, 6, 8, 10, 12, 14, 16, 18}, "points": {2, 4, 6, 8, 10, 12, 14, 16, 18},
           "mask": set(range(5, 20))}  # fmt: skip
ELEMENT = {"type": "points", "label_id": 2, "frame": 0, "points": [1, 2]}
SHAPE = {"type": "rectangle", "label_id": 1, "frame": 0, "points": [1, 2, 30, 40]}


def errors(body: Any, action: Any = "create") -> Any:
    with pytest.raises(ValidationError) as caught:
        validate(body, action)
    return caught.value.detail


def errors_of(**changes: Any) -> Any:
    return errors({"shapes": [{**SHAPE, **changes}]})["shapes"][0]


@given(st.sampled_from(sorted(LENGTHS)), st.lists(NUMBERS, max_size=19))
def test_a_type_decides_how_many_numbers_a_shape_has(kind: str, points: list[float]) -> None:
    shape = {**SHAPE, "type": kind, "points": points, "elements": [ELEMENT] if kind == "skeleton" else []}
    assert has_valid_length(kind, len(points)) == (len(points) in LENGTHS[kind])
    if len(points) in LENGTHS[kind]:
        assert validate({"shapes": [shape]}, "create")["shapes"][0]["points"] == points
    else:
        assert errors({"shapes": [shape]}) == {"shapes": [{"points": [f"invalid length for shape type '{kind}'"]}]}


@given(st.lists(st.one_of(NUMBERS, st.text(max_size=2), st.none(), st.booleans()), min_size=4, max_size=4))
def test_points_are_numbers_and_no_texts(points: list[Any]) -> None:
    wrong = [str(index) for index, item in enumerate(points) if type(item) not in (int, float)]
    if not wrong:
        assert validate({"shapes": [{**SHAPE, "points": points}]}, "create")
        return
    found = errors_of(points=points)["points"]
    assert list(found) == wrong
    assert set(found.values()) == {"[ErrorDetail(string='Value must be a float or an integer', code='invalid')]"}


def test_missing_fields_are_filled_in() -> None:
    body = validate({"shapes": [SHAPE]}, "put")
    assert body == {
        "version": 0, "tags": [], "tracks": [], "intervals": [],
        "shapes": [{**SHAPE, "id": None, "group": 0, "source": "manual", "attributes": [], "occluded": False,
                    "outside": False, "z_order": 0, "rotation": 0, "score": 1}],
    }  # fmt: skip
    assert validate({}, "put")["shapes"] == []


def test_unknown_fields_are_dropped_and_no_group_is_group_0() -> None:
    shape = validate({"shapes": [{**SHAPE, "colour": "red", "group": None}]}, "put")["shapes"][0]
    assert "colour" not in shape
    assert shape["group"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rotation": 400.0}, "Ensure this value is less than or equal to 360."),
        ({"rotation": -1}, "Ensure this value is greater than or equal to 0."),
        ({"score": 2}, "Ensure this value is less than or equal to 1."),
        ({"frame": -1}, "Ensure this value is greater than or equal to 0."),
        ({"z_order": "top"}, "A valid integer is required."),
        ({"type": "circle"}, '"circle" is not a valid choice.'),
        ({"source": "robot"}, "must be one of 'auto', 'semi-auto', 'manual', 'file', 'consensus', got 'robot'"),
        ({"elements": [ELEMENT]}, "not allowed for non-skeleton shape"),
        ({"id": 7}, "must be absent"),
        ({"label_id": None}, "This field may not be null."),
    ],
)  # fmt: skip
def test_a_field_with_a_wrong_value_is_named(changes: dict[str, Any], text: str) -> None:
    assert errors_of(**changes) == {name: [text] for name in changes}


@pytest.mark.parametrize("name", ["type", "frame", "label_id"])
def test_a_field_without_a_default_is_required(name: str) -> None:
    body = {"shapes": [SHAPE, {key: value for key, value in SHAPE.items() if key != name}]}
    assert errors(body) == {"shapes": [{}, {name: ["This field is required."]}]}


def test_a_skeleton_has_elements_with_labels() -> None:
    assert errors_of(type="skeleton", points=[]) == {"elements": ["at least one required for skeleton shape"]}
    unlabeled = {key: value for key, value in ELEMENT.items() if key != "label_id"}
    assert errors_of(type="skeleton", points=[], elements=[unlabeled]) == {
        "elements": [{"label_id": ["This field is required."]}]
    }


def test_a_deletion_needs_ids_and_an_update_takes_them() -> None:
    tag = {"frame": 0, "label_id": 1}
    assert errors({"tags": [tag]}, "delete") == {"tags": [{"id": ["must be present and not null"]}]}
    assert validate({"tags": [{**tag, "id": 7, "source": "robot"}]}, "update")["tags"][0]["source"] == "manual"
    assert validate({"tags": [tag]}, "update")["tags"][0]["id"] is None


def test_the_value_of_an_attribute_becomes_a_text() -> None:
    attributes = [{"spec_id": 1, "value": None}, {"spec_id": "2", "value": 3.5}]
    assert validate({"shapes": [{**SHAPE, "attributes": attributes}]}, "put")["shapes"][0]["attributes"] == [
        {"spec_id": 1, "value": "None"}, {"spec_id": 2, "value": "3.5"},
    ]  # fmt: skip


@pytest.mark.parametrize("body", [[], None, {"shapes": [{**SHAPE, "attributes": [{"spec_id": 1}]}]}])
def test_cvat_crashes_on_lists_and_on_attributes_without_a_value(body: Any) -> None:
    with pytest.raises(Crash, match=re.compile("Error")):
        validate(body, "put")
