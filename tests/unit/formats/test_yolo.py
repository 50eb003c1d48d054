"""The rules of the YOLO formats: what rows say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.masks import Pixels, mask_points
from labelyard.formats import FORMATS
from labelyard.formats.coco.reference import polygon_pixels
from labelyard.formats.yolo import YOLO_FORMATS
from labelyard.formats.yolo.contours import joined, outer_outlines
from labelyard.formats.yolo.outlines import cut
from tests.support.yolo_samples import ARM, IMAGE, rows, shape, skeleton, write

# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_box_is_its_centre_and_size_as_shares_of_the_image(tmp_path: Path) -> None:
    write("yolo-detect", tmp_path, shape(Kind.RECTANGLE, 20, 10, 60, 60, label="trée"))
    assert rows(tmp_path) == ["1 0.2 0.35 0.2 0.5"]


def test_a_box_is_cut_at_the_edge_of_the_image_and_counted(tmp_path: Path) -> None:
    dataset = write("yolo-detect", tmp_path, shape(Kind.RECTANGLE, -20, 50, 20, 150))
    assert rows(tmp_path) == ["0 0.05 0.75 0.1 0.5"]
    assert "1 objects reach beyond their image, and are cut at its edge" in dataset.warnings


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("yolo-detect", shape(Kind.RECTANGLE, -20, 10, 0, 60)),
        ("yolo-obb", shape(Kind.RECTANGLE, -20, 10, 0, 60)),
        ("yolo-obb", shape(Kind.RECTANGLE, -31, -2.5, 29, -1.5, rotation=-45)),  # passes the image's corner
        ("yolo-segment", shape(Kind.POLYGON, -20, 10, 0, 10, 0, 60)),
        ("yolo-segment", shape(Kind.ELLIPSE, -5, -5, 1, -11)),
        ("yolo-segment", shape(Kind.MASK, 0, 4, 200, 10, 201, 11)),
        ("yolo-pose", skeleton((-10, -10, 2), (300, 50, 2), (5, 5, 0))),
    ],
)
def test_an_object_of_which_nothing_is_in_the_image_is_left_out(name: str, one: FrameObject, tmp_path: Path) -> None:
    dataset = write(name, tmp_path, one)
    assert rows(tmp_path) == []
    assert dataset.account.left_out[0].reason == "nothing of it is in the image"


def test_a_turned_box_is_left_out_of_boxes_and_is_four_corners_elsewhere(tmp_path: Path) -> None:
    turned = shape(Kind.RECTANGLE, 80, 40, 120, 60, rotation=90)
    dataset = write("yolo-detect", tmp_path / "detect", turned)
    assert dataset.warnings[0].startswith(
        "rectangle 'car' is left out, the format has no turned boxes, yolo-obb and coco hold them: frame 0"
    )
    write("yolo-obb", tmp_path / "obb", turned)
    assert rows(tmp_path / "obb") == ["0 0.55 0.3 0.55 0.7 0.45 0.7 0.45 0.3"]


@pytest.mark.parametrize("name", YOLO_FORMATS)
def test_every_kind_that_a_format_lacks_has_a_reason_that_names_another_format(name: str) -> None:
    absent = [holding.lost for holding in FORMATS[name].holds.values() if not holding.held]
    assert absent
    assert all("coco hold" in reason for reason in absent)


def test_of_a_polygon_the_part_in_the_image_is_kept_with_its_slopes() -> None:
    triangle = (-10.0, 50.0, 10.0, 40.0, 10.0, 60.0)
    assert cut(triangle, IMAGE) == [0.0, 55.0, 0.0, 45.0, 10.0, 40.0, 10.0, 60.0]


def test_a_mask_is_its_outer_outline_without_holes(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[10:20, 20:40] = 1
    pixels[12:15, 22:30] = 0
    dataset = write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels)))
    assert rows(tmp_path) == ["0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2"]
    assert any("holes are filled" in warning for warning in dataset.warnings)


def test_a_mask_of_more_than_a_hundred_parts_is_left_out(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[:2:2, ::2] = 1
    assert len(outer_outlines(pixels)) == 100
    assert write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels))).annotations == 1
    pixels[2, 0] = 1
    dataset = write("yolo-segment", tmp_path, shape(Kind.MASK, *mask_points(pixels)))
    assert dataset.account.left_out[0].reason == "its mask has more than 100 parts, coco holds it"


def test_a_mask_of_noise_is_left_out_at_once(tmp_path: Path) -> None:
    pixels = np.zeros((700, 600), np.uint8)
    pixels[::2, ::2] = pixels[1::2, 1::2] = 1
    noise, image = shape(Kind.MASK, *mask_points(pixels)), replace(IMAGE, width=600, height=700)
    dataset = write("yolo-segment", tmp_path, noise, images=(image,))
    assert dataset.account.left_out[0].reason == "its mask has more than 200000 run lengths, coco holds it"


def test_labels_with_fewer_points_are_filled_up_with_zeros_and_named(tmp_path: Path) -> None:
    dataset = write(
        "yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 1), (0, 0, 0)),
        skeleton((20, 10, 2), (40, 50, 2), label=ARM),
    )  # fmt: skip
    assert rows(tmp_path) == [
        "3 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 2 0 0 0",
        "2 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 1 0 0 0",
    ]
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert data["kpt_shape"] == [3, 3]
    assert "flip_idx" not in data
    assert data["kpt_names"] == {0: [], 1: [], 2: ["head", "hand", "foot"], 3: ["left end", "right end"]}
    assert "every row has 3 points: zeros fill up the 2 of label 'arm'" in dataset.warnings


def test_a_point_outside_of_the_image_is_not_in_the_picture(tmp_path: Path) -> None:
    write("yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 2), (300, 50, 2)))
    assert rows(tmp_path) == ["2 0.15 0.3 0.1 0.4 0.1 0.1 2 0.2 0.5 2 1 0.5 0"]


def test_a_skeleton_with_one_point_has_no_box(tmp_path: Path) -> None:
    dataset = write("yolo-pose", tmp_path, skeleton((20, 10, 2), (40, 50, 0), (0, 0, 0)))
    assert dataset.account.left_out[0].reason == "the box of its points is empty, coco holds it"


@pytest.mark.parametrize(
    ("name", "objects"),
    [
        ("yolo-detect", [shape(Kind.RECTANGLE, 1, 1, 5, 5)] * 3),
        # Ultralytics compares only the boxes of outlines.
        ("yolo-segment", [shape(Kind.POLYGON, 1, 1, 5, 1, 5, 5), shape(Kind.POLYGON, 1, 1, 5, 5, 1, 5)]),
        ("yolo-obb", [shape(Kind.RECTANGLE, 10, 10, 20, 30, rotation=angle) for angle in (30, -30)]),
        ("yolo-pose", [skeleton((20, 10, 2), (40, 50, 2), (0, 0, 0))] * 2),
    ],
)
def test_rows_that_ultralytics_takes_for_repeated_are_written_and_counted(
    name: str, objects: list[FrameObject], tmp_path: Path
) -> None:
    dataset = write(name, tmp_path, *objects)
    assert len(rows(tmp_path)) == len(objects)
    expected = f"{len(objects) - 1} objects have the class and box of another one in their image"
    assert any(warning.startswith(expected) for warning in dataset.warnings)


def test_the_same_box_in_two_images_is_no_repetition(tmp_path: Path) -> None:
    one = shape(Kind.RECTANGLE, 1, 1, 5, 5)
    images = (IMAGE, replace(IMAGE, name="b.jpg", frame=1))
    dataset = write("yolo-detect", tmp_path, one, replace(one, frame=1), images=images)
    assert dataset.warnings == ()


def test_what_else_an_object_loses_is_counted(tmp_path: Path) -> None:
    one = replace(shape(Kind.RECTANGLE, 1, 1, 5, 5), track=0, attributes={"colour": "red"})
    warnings = write("yolo-detect", tmp_path, one).warnings
    assert warnings == (
        "the format has no attributes: 1 objects lost theirs",
        "1 objects lost their track, group or z-order, which the format does not have",
    )


def test_names_have_every_label_and_a_background_image_has_an_empty_file(tmp_path: Path) -> None:
    dataset = write("yolo-detect", tmp_path)
    data = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    names = {0: "car", 1: "trée", 2: "body", 3: "arm"}
    assert data == {"path": "", "train": "train.txt", "val": "train.txt", "names": names}
    assert (tmp_path / "train.txt").read_text(encoding="utf-8") == "./images/train/a.jpg\n"
    assert (tmp_path / "labels/train/a.txt").read_bytes() == b""
    assert json.loads((tmp_path / "images.json").read_bytes())["info"]["task_id"] == 7
    assert dataset.files[0].name == "data.yaml"


# --- masks ------------------------------------------------------------------------------------------------------------


def filled(pixels: Pixels) -> Pixels:
    """Fill what the background outside does not reach."""
    padded = np.pad(pixels, 1)
    reached, ahead = np.zeros_like(padded), [(0, 0)]
    while ahead:
        y, x = ahead.pop()
        if 0 <= y < padded.shape[0] and 0 <= x < padded.shape[1] and not padded[y, x] and not reached[y, x]:
            reached[y, x] = 1
            ahead += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    found: Pixels = 1 - reached[1:-1, 1:-1]
    return found


@given(st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=12)
).filter(lambda found: any(map(any, found))))  # fmt: skip
def test_the_outline_of_a_mask_covers_the_mask_and_its_holes(drawn: list[list[bool]]) -> None:
    pixels = np.array(drawn, np.uint8)
    height, width = pixels.shape
    covered = polygon_pixels([joined(outer_outlines(pixels))], width, height)
    assert np.array_equal(covered, filled(pixels))


def test_parts_are_joined_where_they_are_close() -> None:
    pixels = np.zeros((10, 10), np.uint8)
    pixels[0:4, 0:4] = pixels[0:4, 6:10] = 1
    assert joined(outer_outlines(pixels)) == [0, 0, 4, 0, 6, 0, 10, 0, 10, 4, 6, 4, 6, 0, 4, 0, 4, 4, 0, 4]
