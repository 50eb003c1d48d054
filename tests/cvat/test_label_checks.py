"""Labels that CVAT takes badly never reach it; the error names the label and the attribute."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stepping import recording

from labelyard.cvat.definitions import annotations_of, labels_of
from labelyard.cvat.labels import check_labels, with_values
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.errors import InputError, LabelError


def an_attribute(kind: Any = InputType.SELECT, default: Any = "a", values: Any = ("a", "b"), **more: Any) -> Label:
    given = {"name": "colour", "mutable": False} | more
    return Label("car", (AttributeSpec(input_type=kind, default=default, values=values, **given),))


GOOD = [
    an_attribute(),
    an_attribute(InputType.RADIO, "b"),
    an_attribute(InputType.CHECKBOX, "false", ("false",)),
    an_attribute(InputType.CHECKBOX, "True", ()),
    an_attribute(InputType.TEXT, "", ("",)),
    an_attribute(InputType.TEXT, "anything", ()),
    an_attribute(InputType.NUMBER, "0", ("0", "100", "1")),
    an_attribute(InputType.NUMBER, "0.5", ("-1", "1.5", "0.25")),
    Label("x" * 64),
]


@pytest.mark.parametrize("label", GOOD, ids=str)
def test_what_cvat_takes_well_passes(label: Label) -> None:
    check_labels([label])


BAD = {
    "no labels": [],
    "'car' appears twice": [Label("car"), Label("car")],
    "'car ' is empty or begins": [Label("car ")],
    "'' is empty": [Label("")],
    "longer than 64": [Label("x" * 65)],
    "7 is not a text": [Label(7)],  # type: ignore[arg-type]
    "'colour' appears twice": [Label("car", an_attribute().attributes * 2)],
    "'' is empty or": [an_attribute(name="")],
    "input type 'circle' is unknown: use one of select, checkbox": [an_attribute("circle")],
    "mutable is 'yes'": [an_attribute(mutable="yes")],
    "the value 1 is not a text: put it in quotes": [an_attribute(values=("a", 1))],
    "the value None is not a text": [an_attribute(default=None)],
    "has a line end": [an_attribute(values=("a", "b\nc"))],
    "the default is longer": [an_attribute(InputType.TEXT, "x" * 129, ())],
    "together are longer": [an_attribute(values=("a", "x" * 4096))],
    "needs values to choose from": [an_attribute(values=())],
    "one of the values appears twice": [an_attribute(values=("a", "a"))],
    "default 'z' is not among the values (a, b)": [an_attribute(default="z")],
    "must be 'true' or 'false'": [an_attribute(InputType.CHECKBOX, "no", ("no",))],
    "three values": [an_attribute(InputType.NUMBER, "0", ("0", "100"))],
    "each a number": [an_attribute(InputType.NUMBER, "none", ("0", "100", "1"))],
    "minimum 9 must be below maximum 1": [an_attribute(InputType.NUMBER, "5", ("9", "1", "1"))],
    "step 0": [an_attribute(InputType.NUMBER, "5", ("0", "9", "0"))],
    "the default 10": [an_attribute(InputType.NUMBER, "10", ("0", "9", "1"))],
    "minimum NaN": [an_attribute(InputType.NUMBER, "5", ("nan", "9", "1"))],
}


@pytest.mark.parametrize("words", BAD)
def test_what_cvat_takes_badly_is_refused_by_name(words: str) -> None:
    labels = BAD[words]
    with pytest.raises(LabelError) as caught:
        check_labels(labels)
    assert words in caught.value.what
    if labels and labels[0].attributes:
        assert "label 'car'" in caught.value.where


@pytest.mark.parametrize(
    "number", [116, 119, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 138, 579],
    ids=lambda n: recording(n)["name"],
)  # fmt: skip
def test_every_bad_label_list_that_was_tried_on_a_real_server_is_refused_here(number: int) -> None:
    labels = recording(number)["request_body"]["json"]["labels"]
    if number == 579:  # labels of another task: their ids, which broke it, are left out
        assert labels_of(labels)
        return
    with pytest.raises(LabelError):
        check_labels(labels_of(labels))


def test_the_labels_of_the_page_are_read_as_they_are() -> None:
    labels = labels_of(recording(306)["request_body"]["json"]["labels"])
    check_labels(labels)
    assert [label.name for label in labels] == ["label1", "label2", "label3", "label5"]


def test_an_attribute_without_values_keeps_those_that_the_server_knows() -> None:
    known = [an_attribute(values=("a", "b"))]
    (changed,) = with_values([an_attribute(default="b", values=())], known)
    assert changed.attributes[0].values == ("a", "b")
    assert changed.attributes[0].default == "b"


_BOX = {"type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "annotations are an object"),
        (
            {"shapes": [_BOX, {**_BOX, "label_id": None} | {"label": "car"}]},
            r"shapes\[1\]: cannot be read: int\(\) arg",
        ),
        ({"shapes": [{k: v for k, v in _BOX.items() if k != "label_id"}]}, r"shapes\[0\]: 'label_id' is missing"),
        ({"shapes": [{**_BOX, "type": "circle"}]}, r"shapes\[0\]: cannot be read: 'circle'"),
        ({"tags": [7]}, r"tags\[0\]: cannot be read"),
        ({"tags": 5}, "tags: tags are a list"),
    ],
)
def test_what_are_no_annotations_is_told(data: Any, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        annotations_of(data)
    assert re.match(complaint, str(caught.value))
