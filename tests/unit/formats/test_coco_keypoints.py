"""COCO keypoints: what its categories have, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelyard.annotations.content import FrameObject, Keypoint, Kind
from labelyard.errors import InputError
from tests.support.dataset_writing import read, replace_in, write

BODY = FrameObject(
    Kind.SKELETON, 0, "body",
    keypoints=(Keypoint("head", 1, 2), Keypoint("hand", 5, 6, occluded=True), Keypoint("foot", 9, 9, outside=True)),
)  # fmt: skip
CORNERS = FrameObject(Kind.POINTS, 1, "corner", (1.0, 1.0, 4.0, 5.0))


def test_every_category_has_keypoints_and_a_skeleton(tmp_path: Path) -> None:
    write("coco-keypoints", [BODY, CORNERS], tmp_path)
    categories = json.loads((tmp_path / "street.json").read_text())["categories"]
    assert [(one["id"], one["name"], one["keypoints"], one["skeleton"]) for one in categories] == [
        (3, "body", ["head", "hand", "foot"], [[1, 2], [2, 3]]),
        (4, "corner", ["1", "2"], []),
    ]


def test_a_point_is_visible_hidden_or_absent(tmp_path: Path) -> None:
    write("coco-keypoints", [BODY], tmp_path)
    [found] = json.loads((tmp_path / "street.json").read_text())["annotations"]
    assert found["keypoints"] == [1, 2, 2, 5, 6, 1, 9, 9, 0]
    assert found["num_keypoints"] == 2
    assert found["bbox"] == [1, 2, 4, 4]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (FrameObject(Kind.POINTS, 0, "car", (1.0, 1.0, 4.0, 5.0)), 'the type of its label is not "points"'),
        (FrameObject(Kind.SKELETON, 0, "car", keypoints=BODY.keypoints), "its label has no sublabels"),
        (FrameObject(Kind.RECTANGLE, 0, "car", (1.0, 1.0, 4.0, 5.0)), "it has no keypoints"),
    ],
)
def test_what_it_refuses_has_a_reason_and_a_format_that_holds_it(one: FrameObject, reason: str, tmp_path: Path) -> None:
    [omission] = write("coco-keypoints", [one], tmp_path).account.left_out
    assert omission.reason == f"{reason} (coco holds it)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"info"', "{{", "not valid JSON"),
        ('"keypoints":[1,2,2,', '"keypoints":[1,2,', "numbers instead of 9, as its category has 3 keypoints"),
        ('"keypoints":[1,2,2,', '"keypoints":[', "numbers instead of 9, as its category has 3 keypoints"),
        ('"etag":"etag0",', "", "not a dataset file of labelyard: KeyError"),
        ('"type":"skeleton",', '"type":"skeleton","attributes":[7],', "not a dataset file of labelyard: TypeError"),
        ('"category_id":3', '"category_id":9', "its category 9 is not among the categories"),
    ],
)
def test_a_broken_file_is_an_input_error(old: str, new: str, message: str, tmp_path: Path) -> None:
    write("coco-keypoints", [BODY], tmp_path)
    replace_in(tmp_path / "street.json", old, new)
    with pytest.raises(InputError, match=message):
        read("coco-keypoints", tmp_path)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read("coco-keypoints", tmp_path)
