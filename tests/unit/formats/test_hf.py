"""Hugging Face imagefolder: one type for each column, and lines that are broken or hostile."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labelyard.annotations.content import FrameObject, Image, Keypoint, Kind
from labelyard.errors import InputError
from labelyard.formats.interface import Groups
from tests.support.content_strategies import IMAGES, LABELS
from tests.support.dataset_writing import read, replace_in, write

BOX = FrameObject(Kind.RECTANGLE, 1, "car", (2.0, 3.0, 12.0, 9.0), attributes={"colour": "red", "age": 5})
OUTLINE = FrameObject(Kind.POLYGON, 1, "Bürger & Söhne", (1.0, 1.0, 9.0, 1.0, 9.0, 9.0))
MASK = FrameObject(Kind.MASK, 2, "car", (0.0, 4.0, 3.0, 3.0, 4.0, 4.0))
BODY = FrameObject(
    Kind.SKELETON,
    2,
    "body",
    keypoints=tuple(Keypoint(name, 3.0 * n, 4.0 * n) for n, name in enumerate(("head", "hand", "foot"))),
)
OBJECTS = (BOX, OUTLINE, MASK, BODY)
METADATA = Path("train/metadata.jsonl")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / METADATA).read_text("ascii").splitlines()]


def types(value: Any) -> Any:
    """The type of a JSON value as pyarrow takes it; a list has one type, or none if it is empty."""
    if isinstance(value, dict):
        return {name: types(part) for name, part in value.items()}
    if isinstance(value, list):
        found = {json.dumps(types(part)) for part in value}
        assert len(found) <= 1
        return [*found]
    return type(value).__name__


def test_objects_are_a_dict_of_lists(tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    line = lines(tmp_path)[0]
    assert (line["file_name"], line["width"], line["height"]) == ("in/b/a.jpg", 40, 60)
    objects = line["objects"]
    assert {name: objects[name] for name in ("id", "bbox", "category", "area", "iscrowd")} == {
        "id": [1, 2], "bbox": [[2.0, 3.0, 10.0, 6.0], [1.0, 1.0, 8.0, 8.0]], "category": [0, 1],
        "area": [60.0, 28.0], "iscrowd": [0, 0],
    }  # fmt: skip
    assert objects["segmentation"] == ["", "[[1.0,1.0,9.0,1.0,9.0,9.0]]"]
    assert json.loads(objects["attributes"][0]) == {"colour": "red", "age": 5, "occluded": False, "rotation": 0.0}
    names = [one["name"] for one in json.loads((tmp_path / "labels.json").read_text())["categories"]]
    assert names == [label.name for label in LABELS]


def test_every_column_has_one_type_and_images_with_objects_come_first(tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    found = lines(tmp_path)
    assert [line["file_name"] for line in found] == ["in/b/a.jpg", "in/ü d.png", "in/a.jpg"]
    assert types(found[0]) == types(found[1])
    assert found[2]["objects"] == {name: [] for name in found[0]["objects"]}


def test_images_come_back_in_their_order_with_their_origin(tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    found = read("hf", tmp_path)
    assert found.images == IMAGES
    assert found.labels[0].attributes == LABELS[0].attributes


def test_grouped_objects_become_one_if_groups_are_merged(tmp_path: Path) -> None:
    grouped = [replace(OUTLINE, group=1), replace(OUTLINE, group=1, points=(11.0, 1.0, 19.0, 1.0, 19.0, 9.0))]
    dataset = write("hf", grouped, tmp_path, groups=Groups.MERGE)
    assert lines(tmp_path)[0]["objects"]["bbox"] == [[1.0, 1.0, 18.0, 8.0]]
    assert dataset.annotations == 2


def test_images_of_one_name_have_different_files(tmp_path: Path) -> None:
    write("hf", [], tmp_path, [Image("../a.jpg", 9, 9, 0), Image("../a.jpg", 9, 9, 1), Image("b.jpg", 9, 9, 2)])
    assert [line["file_name"] for line in lines(tmp_path)] == ["_/a.jpg", "_/a-2.jpg", "b.jpg"]
    assert [image.name for image in read("hf", tmp_path).images] == ["../a.jpg", "../a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (FrameObject(Kind.TAG, 0, "car"), "it has no bbox, which the objects of hf need"),
        (
            FrameObject(Kind.POLYLINE, 0, "car", (1.0, 1.0, 4.0, 5.0)),
            "a line has no area, which the objects of hf need",
        ),
        (FrameObject(Kind.CUBOID, 0, "car", (1.0,) * 16), "the objects of hf have a flat outline"),
        (FrameObject(Kind.POINTS, 0, "car", (1.0, 1.0, 4.0, 5.0)), 'the type of its label is not "points"'),
    ],
)
def test_what_it_refuses_has_a_reason_and_a_format_that_holds_it(one: FrameObject, reason: str, tmp_path: Path) -> None:
    [omission] = write("hf", [one], tmp_path).account.left_out
    assert omission.reason == f"{reason} (coco holds it)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"file_name"', "{{", "line 1: not a line of labelyard (JSONDecodeError"),
        ('{"file_name"', '["file_name"', "line 1: not a line of labelyard (JSONDecodeError"),
        ('"width":40', '"width":NaN', "line 1: not a line of labelyard (ValueError: NaN is no number"),
        ('"width":40', '"width":"40"', "line 1: not a line of labelyard (TypeError"),
        ('"width":40', '"width":4000000000', "line 1: not a line of labelyard (ValueError: the image has more than"),
        ('"id":[1,', '"id":[', "line 1: not a line of labelyard (ValueError"),
        ('"bbox":[[2.0', '"bbox":[["2"', "line 1: the line cannot be used"),
        ('"bbox":[[2.0,', '"bbox":[[', "line 1: the line cannot be used"),
        ('"category":[0', '"category":[9', "line 1: the line cannot be used"),
        ('"category":[0', '"category":[-1', "line 1: the line cannot be used"),
        ('["","[[1.0', '["[7]","[[1.0', "line 1: the line cannot be used"),
        ('["","[[1.0', '["{","[[1.0', "line 1: not a line of labelyard (JSONDecodeError"),
        ('\\"counts\\":[', '\\"counts\\":[1,', "line 2: the line cannot be used"),
        ('\\"cvat_frame\\":2', '\\"cvat_frame\\":1', "line 2: not a line of labelyard (ValueError: frame 1 is not"),
        ('"source":"{', '"source":"[{', "line 1: not a line of labelyard (JSONDecodeError"),
    ],
)
def test_a_broken_line_is_an_input_error_with_file_and_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    replace_in(tmp_path / METADATA, old, new)
    with pytest.raises(InputError) as caught:
        read("hf", tmp_path)
    assert f"metadata.jsonl, {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"name": "car"', '"name": 7', "a label needs a name"),
        ('"name": "car"', '"name": "body"', "two labels have the same name"),
        ('"categories": [', '"categories": [7,', "it has an unknown form"),
        ('"input_type": "select"', '"input_type": "x"', "it has an unknown form"),
    ],
)
def test_broken_labels_are_an_input_error(old: str, new: str, message: str, tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    replace_in(tmp_path / "labels.json", old, new)
    with pytest.raises(InputError, match=message):
        read("hf", tmp_path)


def test_a_file_that_is_no_text_is_an_input_error(tmp_path: Path) -> None:
    write("hf", OBJECTS, tmp_path)
    (tmp_path / METADATA).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read("hf", tmp_path)
