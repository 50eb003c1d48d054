"""Labels and annotations from JSON: mistakes raise before anything is sent, and name label and attribute."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from labelyard.cvat.label_validation import check_labels, with_known_values
from labelyard.cvat.raw_json import parse_annotations, parse_labels
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.errors import InputError, LabelError
from tests.support.paths import recording


def label_with(kind: Any = InputType.SELECT, default: Any = "a", values: Any = ("a", "b"), **more: Any) -> Label:
    given = {"name": "colour", "mutable": False} | more
    return Label("car", (AttributeSpec(input_type=kind, default=default, values=values, **given),))


VALID = [
    label_with(),
    label_with(InputType.RADIO, "b"),
    label_with(InputType.CHECKBOX, "false", ("false",)),
    label_with(InputType.CHECKBOX, "True", ()),
    label_with(InputType.TEXT, "", ("",)),
    label_with(InputType.TEXT, "anything", ()),
    label_with(InputType.NUMBER, "0", ("0", "100", "1")),
    label_with(InputType.NUMBER, "0.5", ("-1", "1.5", "0.25")),
    Label("x" * 64),
]


@pytest.mark.parametrize("label", VALID, ids=str)
def test_valid_labels_pass(label: Label) -> None:
    check_labels([label])


BODY = Label("body", type="skeleton", sublabels=(Label("head"), Label("foot")), edges=((0, 1),))


def test_a_skeleton_needs_a_server_that_has_them() -> None:
    check_labels([BODY])
    with pytest.raises(LabelError, match="the label is a skeleton, and this CVAT has none") as caught:
        check_labels([Label("car"), BODY], types=False)
    assert caught.value.where == "label 'body'"
    assert "use a CVAT 2.x" in caught.value.next_step


INVALID = {
    "the point name 'head' appears twice": [replace(BODY, sublabels=(Label("head"), Label("head")))],
    "a line of the skeleton ends at a point that it does not have": [replace(BODY, edges=((0, 2),))],
    "no labels": [],
    "'car' appears twice": [Label("car"), Label("car")],
    "'car ' is empty or has": [Label("car ")],
    "'' is empty": [Label("")],
    "longer than 64": [Label("x" * 65)],
    "7 is not a string": [Label(7)],  # type: ignore[arg-type]
    "'colour' appears twice": [Label("car", label_with().attributes * 2)],
    "'' is empty or": [label_with(name="")],
    "input type 'circle' is unknown: use one of select, checkbox": [label_with("circle")],
    "mutable is 'yes'": [label_with(mutable="yes")],
    "the value 1 is not a string: put it in quotes": [label_with(values=("a", 1))],
    "the value None is not a string": [label_with(default=None)],
    "has a line break": [label_with(values=("a", "b\nc"))],
    "the default is longer": [label_with(InputType.TEXT, "x" * 129, ())],
    "together are longer": [label_with(values=("a", "x" * 4096))],
    "needs values to choose from": [label_with(values=())],
    "one of the values appears twice": [label_with(values=("a", "a"))],
    "default 'z' is not among the values (a, b)": [label_with(default="z")],
    "must be 'true' or 'false'": [label_with(InputType.CHECKBOX, "no", ("no",))],
    "three values": [label_with(InputType.NUMBER, "0", ("0", "100"))],
    "each a number": [label_with(InputType.NUMBER, "none", ("0", "100", "1"))],
    "minimum 9 must be below maximum 1": [label_with(InputType.NUMBER, "5", ("9", "1", "1"))],
    "step 0": [label_with(InputType.NUMBER, "5", ("0", "9", "0"))],
    "the default 10": [label_with(InputType.NUMBER, "10", ("0", "9", "1"))],
    "minimum NaN": [label_with(InputType.NUMBER, "5", ("nan", "9", "1"))],
}


@pytest.mark.parametrize("words", INVALID)
def test_invalid_labels_raise_and_are_named(words: str) -> None:
    labels = INVALID[words]
    with pytest.raises(LabelError) as caught:
        check_labels(labels)
    assert words in caught.value.what
    if labels and labels[0].attributes:
        assert "label 'car'" in caught.value.where


@pytest.mark.parametrize(
    "number", [116, 119, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 138, 579],
    ids=lambda n: recording(n)["name"],
)  # fmt: skip
def test_every_invalid_label_list_of_the_recordings_raises(number: int) -> None:
    labels = recording(number)["request_body"]["json"]["labels"]
    if number == 579:  # labels of another task: their ids caused the 500, and are ignored
        assert parse_labels(labels)
        return
    with pytest.raises(LabelError):
        check_labels(parse_labels(labels))


def test_the_labels_of_the_api_page_are_valid() -> None:
    labels = parse_labels(recording(306)["request_body"]["json"]["labels"])
    check_labels(labels)
    assert [label.name for label in labels] == ["label1", "label2", "label3", "label5"]


def test_an_attribute_without_values_keeps_those_of_the_server() -> None:
    known = [label_with(values=("a", "b"))]
    (changed,) = with_known_values([label_with(default="b", values=())], known)
    assert changed.attributes[0].values == ("a", "b")
    assert changed.attributes[0].default == "b"


_BOX = {"type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "annotations are an object"),
        (
            {"shapes": [_BOX, {**_BOX, "label_id": None} | {"label": "car"}]},
            r"shapes\[1\]: is invalid: int\(\) arg",
        ),
        ({"shapes": [{k: v for k, v in _BOX.items() if k != "label_id"}]}, r"shapes\[0\]: 'label_id' is missing"),
        ({"shapes": [{**_BOX, "type": "circle"}]}, r"shapes\[0\]: is invalid: 'circle'"),
        ({"tags": [7]}, r"tags\[0\]: is invalid"),
        ({"tags": 5}, "tags: tags are a list"),
    ],
)
def test_annotations_of_a_wrong_shape_raise(data: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_annotations(data)
    assert re.match(message, str(caught.value))
