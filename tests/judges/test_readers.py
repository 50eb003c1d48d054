"""Readers of other projects find in COCO and VOC files the boxes, labels and numbers that were drawn."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import datumaro
import hotcoco
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelyard.annotations.content import Kind
from labelyard.annotations.outlines import turned_corners
from tests.judges.comparison import Found, assert_same, corners, drawn, pixels_of
from tests.judges.dataset import OBJECTS, PARKED, paint, write_files
from tests.judges.datumaro_items import import_from
from tests.support.content_strategies import IMAGES, LABELS

BODY_ID = next(label.id for label in LABELS if label.name == "body")
BOXES = [one for one in OBJECTS if one.kind is Kind.RECTANGLE]
COCO_READERS = pytest.mark.parametrize("reader", [COCO, hotcoco.COCO], ids=["pycocotools", "hotcoco"])


def coco_objects(coco: Any) -> list[tuple[Found, dict[str, Any]]]:
    names = {image["id"]: image["file_name"] for image in coco.loadImgs(coco.getImgIds())}
    labels = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    assert sorted(names.values()) == sorted(image.name for image in IMAGES)
    return [
        (Found(names[one["image_id"]], labels[one["category_id"]], corners(*one["bbox"])), one)
        for one in coco.loadAnns(coco.getAnnIds())
    ]


@COCO_READERS
@pytest.mark.parametrize("name", ["coco", "coco-keypoints"])
def test_coco_readers_find_every_box(reader: Any, name: str, tmp_path: Path) -> None:
    held = [one for one in write_files(name, tmp_path) if one.kind not in (Kind.TAG, Kind.POLYLINE)]
    found = coco_objects(reader(str(tmp_path / "street.json")))
    ellipses = [one for one in found if "ellipse" in one[1]["attributes"]]
    exact = [one for one, _ in found if one not in [ellipse for ellipse, _ in ellipses]]
    assert_same(exact, drawn(one for one in held if one.kind is not Kind.ELLIPSE))
    assert_same([one for one, _ in ellipses], drawn(one for one in held if one.kind is Kind.ELLIPSE), tolerance=1)


@COCO_READERS
def test_coco_readers_find_attributes_outlines_and_masks(reader: Any, tmp_path: Path) -> None:
    write_files("coco", tmp_path)
    coco = reader(str(tmp_path / "street.json"))
    found = [one for _, one in coco_objects(coco)]
    [parked] = [one for one in found if one["attributes"].get("plate")]
    own = PARKED["rotation"]
    expected = {**PARKED, "rotation": 0.0, "rotation_attribute": own, "occluded": True}
    assert parked["attributes"] == expected
    [turned] = [one for one in found if one["attributes"].get("rotation") == 30]
    assert turned["segmentation"] == [pytest.approx(turned_corners(BOXES[2]))]
    outlines = {
        tuple(one["segmentation"][0]) for one in found if isinstance(one["segmentation"], list) and one["segmentation"]
    }
    assert {one.points for one in OBJECTS if one.kind is Kind.POLYGON} <= outlines
    for kind, most in ((Kind.MASK, 0), (Kind.ELLIPSE, 8)):
        [drawn_one] = [one for one in OBJECTS if one.kind is kind]
        masks = [one for one in found if isinstance(one["segmentation"], dict)]
        [mask] = [one for one in masks if ("ellipse" in one["attributes"]) == (kind is Kind.ELLIPSE)]
        assert np.count_nonzero(coco.annToMask(mask) != pixels_of(drawn_one)) <= most
        assert mask["area"] == pytest.approx(pixels_of(drawn_one).sum(), abs=most)


@COCO_READERS
@pytest.mark.parametrize("name", ["coco", "coco-keypoints"])
def test_coco_readers_find_keypoints(reader: Any, name: str, tmp_path: Path) -> None:
    write_files(name, tmp_path)
    coco = reader(str(tmp_path / "street.json"))
    found = {one.label: fields for one, fields in coco_objects(coco) if fields.get("keypoints")}
    assert found["body"]["keypoints"] == [8.5, 2, 2, 12, 9.25, 1, 20, 30, 0]
    assert (found["body"]["num_keypoints"], found["corner"]["num_keypoints"]) == (2, 2)
    assert found["corner"]["keypoints"] == [1, 2, 2, 11, 22, 2]
    categories = {one["name"]: one for one in coco.loadCats(coco.getCatIds())}
    assert categories["body"]["keypoints"] == ["head", "hand", "foot"]
    assert categories["body"]["skeleton"] == [[1, 2], [2, 3]]
    if name == "coco-keypoints":
        assert all("keypoints" in one and "skeleton" in one for one in categories.values())


def test_pycocotools_scores_the_keypoints_against_themselves_as_perfect(tmp_path: Path) -> None:
    write_files("coco-keypoints", tmp_path)
    truth = COCO(str(tmp_path / "street.json"))
    results = [{**one, "score": 1.0} for one in truth.loadAnns(truth.getAnnIds(catIds=[BODY_ID]))]
    scores = COCOeval(truth, truth.loadRes(results), "keypoints")
    scores.params.catIds, scores.params.kpt_oks_sigmas = [BODY_ID], np.full(3, 0.05)
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == pytest.approx(1)


@pytest.mark.parametrize(("name", "form"), [("coco", "coco_instances"), ("coco-keypoints", "coco_person_keypoints")])
def test_datumaro_finds_every_box_of_coco(name: str, form: str, tmp_path: Path) -> None:
    held = [one for one in write_files(name, tmp_path) if one.kind not in (Kind.TAG, Kind.POLYLINE)]
    folder = tmp_path / "dataset"
    (folder / "annotations").mkdir(parents=True)
    shutil.copy(tmp_path / "street.json", folder / "annotations" / f"{form.removeprefix('coco_')}_train.json")
    paint(folder / "images" / "train")
    found = [one for item in import_from(folder, form) for one in item.boxes()]
    exact = [one for one, box in found if "ellipse" not in box.attributes]
    assert_same(exact, drawn(one for one in held if one.kind is not Kind.ELLIPSE))
    assert len(found) == len(held)
    if name == "coco":
        [parked] = [box.attributes for _, box in found if box.attributes.get("plate")]
        assert {key: parked[key] for key in ("colour", "age", "parked", "plate")} == {
            key: value for key, value in PARKED.items() if key != "rotation"
        }


def test_datumaro_finds_the_keypoints(tmp_path: Path) -> None:
    write_files("coco-keypoints", tmp_path)
    folder = tmp_path / "dataset"
    (folder / "annotations").mkdir(parents=True)
    shutil.copy(tmp_path / "street.json", folder / "annotations" / "person_keypoints_train.json")
    paint(folder / "images" / "train")
    labelled = [one for item in import_from(folder, "coco_person_keypoints") for one in item.labelled]
    [body] = [one for label, one in labelled if label == "body" and one.type == datumaro.AnnotationType.points]
    assert list(body.points) == pytest.approx([8.5, 2, 12, 9.25, 20, 30], abs=0.01)
    assert [int(one) for one in body.visibility] == [2, 1, 0]


def test_datumaro_finds_every_box_of_voc(tmp_path: Path) -> None:
    held = write_files("voc", tmp_path)
    paint(tmp_path / "JPEGImages")
    found = [one for item in import_from(tmp_path, "voc_detection") for one in item.boxes()]
    assert_same([one for one, _ in found], drawn(held))
    [parked] = [box.attributes for _, box in found if box.attributes.get("plate")]
    assert {name: parked[name] for name in ("truncated", "occluded", "difficult")} == {
        "truncated": False, "occluded": True, "difficult": False,
    }  # fmt: skip
    assert (parked["colour"], parked["age"], parked["parked"], parked["plate"]) == ("blue", "7", "True", "<KÖ & 1>")
    assert [float(box.attributes["rotation"]) for _, box in found if box.attributes["rotation"] != "0.0"] == [30.0]
