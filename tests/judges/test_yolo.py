"""Readers of other projects find in our YOLO files what was drawn: datumaro, hotcoco and supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from labelyard.annotations.content import Content, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.masks import mask_points
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.labels import Label
from labelyard.formats import FORMATS
from labelyard.formats.coco.instances import turned_corners
from labelyard.formats.interface import FormatOptions, Provenance
from labelyard.formats.writing import Target, write_dataset

LABELS = (Label("car", id=1), Label("Bürger & Söhne", id=2), Label("body", type="skeleton", sublabels=(
    Label("head"), Label("hand"), Label("foot"),
), id=3), Label("arm", type="skeleton", sublabels=(Label("elbow"), Label("wrist")), id=4))  # fmt: skip
IMAGES = (Image("a.png", 64, 48, 0), Image("ü d.png", 32, 32, 1), Image("nothing.png", 40, 60, 2))
_PIXELS = np.zeros((48, 64), np.uint8)
_PIXELS[5:20, 10:30] = _PIXELS[25:40, 35:60] = 1
_BODY = (Keypoint("head", 8.5, 2), Keypoint("hand", 12, 9.25, occluded=True), Keypoint("foot", 20, 30, outside=True))
OBJECTS = {
    "yolo-detect": [
        FrameObject(Kind.RECTANGLE, 0, "car", (2.5, 3.0, 12.0, 9.25)),
        FrameObject(Kind.RECTANGLE, 0, "Bürger & Söhne", (20.5, 1.0, 60.0, 48.0)),
        FrameObject(Kind.RECTANGLE, 1, "car", (0.0, 0.0, 32.0, 32.0)),
    ],
    "yolo-segment": [
        FrameObject(Kind.POLYGON, 0, "car", (1.0, 1.0, 30.0, 2.0, 25.0, 40.0, 3.0, 12.5)),
        FrameObject(Kind.MASK, 0, "Bürger & Söhne", mask_points(_PIXELS)),
        FrameObject(Kind.POLYGON, 1, "car", (4.0, 4.0, 30.0, 5.0, 28.0, 30.0)),
    ],
    "yolo-obb": [
        FrameObject(Kind.RECTANGLE, 0, "car", (20.0, 20.0, 40.0, 30.0), rotation=30.0),
        FrameObject(Kind.RECTANGLE, 1, "Bürger & Söhne", (2.5, 3.0, 12.0, 9.25)),
    ],
    "yolo-pose": [
        FrameObject(Kind.SKELETON, 0, "body", keypoints=_BODY),
        FrameObject(Kind.SKELETON, 1, "arm", keypoints=(Keypoint("elbow", 3, 4), Keypoint("wrist", 20, 30))),
    ],
}
BY_FRAME = {image.frame: image.name for image in IMAGES}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A dataset in the format that the test names, with its images."""
    name: str = request.param
    content = Content(IMAGES, LABELS, tuple(OBJECTS[name]))
    target = Target(Provenance(7, "the annotations API", 2026), FormatOptions(), location=lambda one: str(one.frame))
    assert write_dataset(FORMATS[name], Selection(in_order(content), ()), target, tmp_path, "street").annotations
    (tmp_path / "images/train").mkdir(parents=True)
    for image in IMAGES:
        Picture.new("RGB", (image.width, image.height)).save(tmp_path / "images/train" / image.name)
    return tmp_path


def expected_boxes() -> list[tuple[str, str, tuple[float, ...]]]:
    return sorted((BY_FRAME[one.frame], one.label, one.points) for one in OBJECTS["yolo-detect"])


def assert_expected(found: list[tuple[str, str, tuple[float, ...]]]) -> None:
    found.sort()
    assert [one[:2] for one in found] == [one[:2] for one in expected_boxes()]
    np.testing.assert_allclose([one[2] for one in found], [one[2] for one in expected_boxes()], atol=0.01)


@pytest.mark.parametrize("folder", ["yolo-detect"], indirect=True)
def test_hotcoco_finds_every_box(folder: Path) -> None:
    hotcoco = pytest.importorskip("hotcoco")
    labels = folder / "labels/train"
    (labels / "data.yaml").write_bytes((folder / "data.yaml").read_bytes())  # where hotcoco looks for it
    coco = hotcoco.COCO.from_yolo(str(labels), str(folder / "images/train"))
    names = {image["id"]: f"{image['file_name']}.png" for image in coco.dataset["images"]}
    categories = {one["id"]: one["name"] for one in coco.dataset["categories"]}
    assert list(categories.values()) == [label.name for label in LABELS]
    assert_expected([
        (names[one["image_id"]], categories[one["category_id"]], (x, y, x + width, y + height))
        for one in coco.dataset["annotations"]
        for x, y, width, height in [one["bbox"]]
    ])  # fmt: skip


@pytest.mark.parametrize("folder", ["yolo-detect"], indirect=True)
def test_datumaro_finds_every_box(folder: Path) -> None:
    datumaro = pytest.importorskip("datumaro")
    dataset = datumaro.Dataset.import_from(str(folder), "yolo")
    labels = [one.name for one in dataset.categories()[datumaro.AnnotationType.label].items]
    items = list(dataset)
    assert sorted(f"{item.id}.png" for item in items) == sorted(BY_FRAME.values())
    assert_expected([(f"{item.id}.png", labels[one.label], tuple(one.points)) for item in items
                     for one in item.annotations])  # fmt: skip


def with_supervision(folder: Path, **options: bool) -> dict[str, tuple[list[str], Any]]:
    supervision = pytest.importorskip("supervision")
    dataset = supervision.DetectionDataset.from_yolo(
        str(folder / "images/train"), str(folder / "labels/train"), str(folder / "data.yaml"), **options
    )
    assert dataset.classes == [label.name for label in LABELS]
    return {
        Path(path).name: ([dataset.classes[number] for number in found.class_id], found)
        for path, _, found in dataset
    }  # fmt: skip


@pytest.mark.parametrize("folder", ["yolo-detect"], indirect=True)
def test_supervision_finds_every_box(folder: Path) -> None:
    found = with_supervision(folder)
    assert found.keys() == set(BY_FRAME.values())
    assert_expected([
        (name, label, tuple(box)) for name, (labels, one) in found.items()
        for label, box in zip(labels, one.xyxy, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("folder", ["yolo-segment"], indirect=True)
def test_supervision_finds_the_pixels_of_outlines_and_masks(folder: Path) -> None:
    found = with_supervision(folder, force_masks=True)
    labels, one = found["a.png"]
    assert labels == ["car", "Bürger & Söhne"]
    mask = np.asarray(one.mask[1])
    # OpenCV fills the pixels on an outline, too, and the line that joins the two parts.
    assert mask[_PIXELS == 1].all()
    assert mask.sum() < _PIXELS.sum() * 1.25
    assert found["nothing.png"][0] == []


@pytest.mark.parametrize("folder", ["yolo-obb"], indirect=True)
def test_supervision_finds_the_corners_of_turned_boxes(folder: Path) -> None:
    labels, one = with_supervision(folder, is_obb=True)["a.png"]
    assert labels == ["car"]
    found, drawn = one.data["xyxyxyxy"], turned_corners(OBJECTS["yolo-obb"][0])
    expected = sorted(zip(drawn[::2], drawn[1::2], strict=True))
    np.testing.assert_allclose(sorted(found.reshape(4, 2).tolist()), expected, atol=0.01)


@pytest.mark.parametrize("folder", ["yolo-pose"], indirect=True)
def test_supervision_finds_the_boxes_of_skeletons_of_both_lengths(folder: Path) -> None:
    found = with_supervision(folder)
    assert {name: labels for name, (labels, _) in found.items() if labels} == {"a.png": ["body"], "ü d.png": ["arm"]}
    np.testing.assert_allclose(found["a.png"][1].xyxy[0], (8.5, 2, 12, 9.25), atol=0.01)
    np.testing.assert_allclose(found["ü d.png"][1].xyxy[0], (3, 4, 20, 30), atol=0.01)
