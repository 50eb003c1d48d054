"""Readers of other projects find in YOLO files what was drawn. ultralytics is AGPL, and not used."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import hotcoco
import numpy as np
import pytest
import yaml
from pycocotools import mask as coco_mask

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.annotations.masks import Pixels
from labelyard.annotations.outlines import turned_corners
from labelyard.formats import FORMATS
from tests.judges.comparison import BY_FRAME, Found, assert_same, corners, drawn, pixels_of
from tests.judges.dataset import BODY, FLAT_IMAGES, paint, write_files
from tests.judges.datumaro_items import import_from
from tests.support.content_strategies import LABELS

YOLO = [name for name in FORMATS if name.startswith("yolo-")]
only = {name: pytest.mark.parametrize("name", [name] if name in YOLO else []) for name in (
    "yolo-detect", "yolo-segment", "yolo-obb", "yolo-pose",
)}  # fmt: skip


def rows_of(folder: Path) -> list[tuple[Image, str, list[float]]]:
    """Image, label and numbers of each row, as ultralytics documents its files."""
    names = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))["names"]
    assert [names[number] for number in range(len(names))] == [label.name for label in LABELS]
    return [
        (image, names[int(number)], [float(value) for value in values])
        for image in FLAT_IMAGES
        for number, *values in map(str.split, (folder / f"labels/train/{image.name}").with_suffix(".txt").open())
    ]


def in_pixels(values: Sequence[float], image: Image) -> list[float]:
    return [value * (image.height if number % 2 else image.width) for number, value in enumerate(values)]


@pytest.mark.parametrize("name", YOLO)
def test_yolo_has_a_row_for_each_object(name: str, tmp_path: Path) -> None:
    held = write_files(name, tmp_path, FLAT_IMAGES)
    names = {image.frame: image.name for image in FLAT_IMAGES}
    expected = sorted((names[one.frame], one.label) for one in held)
    assert sorted((image.name, label) for image, label, _ in rows_of(tmp_path)) == expected
    assert expected


@only["yolo-detect"]
def test_datumaro_finds_every_box_of_yolo(name: str, tmp_path: Path) -> None:
    held = write_files(name, tmp_path, FLAT_IMAGES)
    paint(tmp_path / "images/train", FLAT_IMAGES)
    found = [one for item in import_from(tmp_path, "yolo", FLAT_IMAGES) for one, _ in item.boxes()]
    exact = [one for one in held if one.kind is not Kind.ELLIPSE]
    assert_same(found, drawn(exact, FLAT_IMAGES))


@only["yolo-detect"]
def test_hotcoco_finds_every_box_of_yolo(name: str, tmp_path: Path) -> None:
    held = write_files(name, tmp_path, FLAT_IMAGES)
    paint(tmp_path / "images/train", FLAT_IMAGES)
    shutil.copy(tmp_path / "data.yaml", tmp_path / "labels/train")  # where it looks for it
    coco = hotcoco.COCO.from_yolo(str(tmp_path / "labels/train"), images_dir=str(tmp_path / "images/train"))
    names = {image["id"]: f"{image['file_name']}.png" for image in coco.dataset["images"]}  # it cuts the ending off
    # By their place: it does not read escapes in the names that data.yaml has.
    labels = {category["id"]: label.name for category, label in zip(coco.dataset["categories"], LABELS, strict=True)}
    found = [
        Found(names[one["image_id"]], labels[one["category_id"]], corners(*one["bbox"]))
        for one in coco.dataset["annotations"]
    ]
    assert_same(found, drawn(held, FLAT_IMAGES))


@only["yolo-obb"]
def test_opencv_finds_the_turned_boxes_as_ultralytics_does(name: str, tmp_path: Path) -> None:
    held = write_files(name, tmp_path, FLAT_IMAGES)
    found = [
        (
            image.frame,
            label,
            cv2.boxPoints(cv2.minAreaRect(np.array(in_pixels(values, image), np.float32).reshape(4, 2))),
        )
        for image, label, values in rows_of(tmp_path)
    ]
    for one in held:
        corners = np.array(turned_corners(one)).reshape(4, 2)
        same = [box for frame, label, box in found if (frame, label) == (one.frame, one.label)]
        assert min(farthest_corner(corners, box) for box in same) < 0.05, one


def farthest_corner(corners: Any, box: Any) -> float:
    """The distance in pixels from the corner that is farthest from any corner of the other box."""
    return float(np.linalg.norm(corners[:, None] - box[None], axis=2).min(axis=1).max())


@only["yolo-segment"]
def test_pycocotools_draws_the_outlines_of_yolo_as_they_were_drawn(name: str, tmp_path: Path) -> None:
    held = write_files(name, tmp_path, FLAT_IMAGES)
    found = rows_of(tmp_path)
    for one in held:
        image = BY_FRAME[one.frame]
        expected = pixels_of(one) if one.kind in (Kind.MASK, Kind.ELLIPSE) else filled(outline_of(one), image)
        shares = [
            (filled(in_pixels(values, image), image) & expected).sum() / expected.sum()
            for other, label, values in found
            if (other.frame, label) == (one.frame, one.label)
        ]
        assert max(shares) > 0.9, one


def outline_of(one: FrameObject) -> Sequence[float]:
    return turned_corners(one) if one.kind is Kind.RECTANGLE else one.points


def filled(outline: Sequence[float], image: Image) -> Pixels:
    shapes = coco_mask.frPyObjects([list(outline)], image.height, image.width)
    return np.asarray(coco_mask.decode(coco_mask.merge(shapes)), np.uint8)


@only["yolo-pose"]
def test_yolo_has_the_keypoints(name: str, tmp_path: Path) -> None:
    write_files(name, tmp_path, FLAT_IMAGES)
    assert yaml.safe_load((tmp_path / "data.yaml").read_text("utf-8"))["kpt_shape"] == [3, 3]
    [(image, _, values)] = [row for row in rows_of(tmp_path) if row[1] == "body"]
    triples = list(zip(*[iter(values[4:])] * 3, strict=True))
    assert [seen for _, _, seen in triples] == [2, 1, 0]
    found = [pytest.approx((x * image.width, y * image.height), abs=0.01) for x, y, _ in triples[:2]]
    assert [(point.x, point.y) for point in BODY.keypoints[:2]] == found
