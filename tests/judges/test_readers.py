"""Readers of other projects find in our files the boxes, labels and numbers that were drawn.

datumaro rounds coordinates to two decimals, so numbers are compared to a hundredth of a pixel.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import datumaro
import hotcoco
import numpy as np
import pytest
import yaml
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import datasets
from labelyard.annotations.content import FrameObject, Image, Kind, extent
from labelyard.annotations.masks import MaskRuns, Pixels, image_pixels, mask_runs
from labelyard.formats import FORMATS
from labelyard.formats.coco.instances import turned_corners
from tests.judges.dataset import FLAT_IMAGES, OBJECTS, PARKED, Found, paint, write_files
from tests.support.content_strategies import IMAGES, LABELS
from tests.support.dataset_writing import write

BY_FRAME = {image.frame: image for image in IMAGES}
BODY = next(one for one in OBJECTS if one.kind is Kind.SKELETON)
BODY_ID = next(label.id for label in LABELS if label.name == "body")
BOXES = [one for one in OBJECTS if one.kind is Kind.RECTANGLE]
COCO_READERS = pytest.mark.parametrize("reader", [COCO, hotcoco.COCO], ids=["pycocotools", "hotcoco"])


def drawn(objects: Iterable[FrameObject], images: Sequence[Image] = IMAGES) -> list[Found]:
    names = {image.frame: image.name for image in images}
    return [Found(names[one.frame], one.label, box_of(one)) for one in objects]


def box_of(one: FrameObject) -> tuple[float, ...]:
    """The box of an object from what was drawn, not from what a format made of it."""
    if one.kind is Kind.SKELETON:
        return extent([value for point in one.keypoints if not point.outside for value in (point.x, point.y)])
    if one.kind in (Kind.MASK, Kind.ELLIPSE):
        rows, columns = np.nonzero(pixels_of(one))
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return extent(one.points)


def pixels_of(one: FrameObject) -> Pixels:
    image = BY_FRAME[one.frame]
    if one.kind is Kind.MASK:
        runs = mask_runs(one.points)
        assert isinstance(runs, MaskRuns)
        return image_pixels(runs, image.width, image.height)
    x, y, right, top = one.points
    ys, xs = np.mgrid[: image.height, : image.width] + 0.5
    turn = np.radians(one.rotation)
    along, across = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn), (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
    return np.asarray((along / (right - x)) ** 2 + (across / (y - top)) ** 2 <= 1, np.uint8)


def assert_same(found: Iterable[Found], expected: Iterable[Found], tolerance: float = 0.01) -> None:
    left, right = sorted(found), sorted(expected)
    assert [one[:2] for one in left] == [one[:2] for one in right]
    for one in left:
        match = next(
            (o for o in right if o[:2] == one[:2] and np.allclose(o.box, one.box, rtol=0, atol=tolerance)), None
        )
        assert match is not None, f"{one} is not among {right}"
        right.remove(match)


def corners(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x, y, x + width, y + height


# --- COCO -------------------------------------------------------------------------------------------------------------


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


# --- datumaro ---------------------------------------------------------------------------------------------------------


class Item:
    """A datumaro item, with the annotations that have a box."""

    def __init__(self, item: Any, labels: Sequence[str], images: Sequence[Image]) -> None:
        names = {image.name.rpartition(".")[0]: image for image in images}
        self.image = names[item.id]
        assert tuple(item.media.size) == (self.image.height, self.image.width)
        self.labelled = [(labels[one.label], one) for one in item.annotations]

    def boxes(self) -> list[tuple[Found, Any]]:
        return [
            (Found(self.image.name, label, tuple(one.points)), one)
            for label, one in self.labelled
            if one.type == datumaro.AnnotationType.bbox
        ]


def import_from(folder: Path, form: str, images: Sequence[Image] = IMAGES) -> list[Item]:
    dataset = datumaro.Dataset.import_from(str(folder), form)
    labels = [one.name for one in dataset.categories()[datumaro.AnnotationType.label].items]
    items = [Item(item, labels, images) for item in dataset]
    assert sorted(item.image.name for item in items) == sorted(image.name for image in images)
    return items


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


# --- YOLO -------------------------------------------------------------------------------------------------------------

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


# --- Hugging Face -----------------------------------------------------------------------------------------------------


def load(folder: Path, **options: Any) -> Any:
    return datasets.load_dataset(
        "imagefolder", data_dir=str(folder), split="train", cache_dir=str(folder.parent / "cache"), **options
    )


def test_datasets_finds_every_box_of_hf(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    held = write_files("hf", folder)
    paint(folder / "train")
    rows = list(load(folder))
    names = [one["name"] for one in json.loads((folder / "labels.json").read_text())["categories"]]
    files = {json.loads(row["source"])["file_name"]: row for row in rows}
    assert {name: row["image"].size for name, row in files.items()} == {
        one.name: (one.width, one.height) for one in IMAGES
    }
    found = [
        (Found(name, names[row["objects"]["category"][number]], corners(*box)), row["objects"]["attributes"][number])
        for name, row in files.items()
        for number, box in enumerate(row["objects"]["bbox"])
    ]
    exact = [one for one, attributes in found if "ellipse" not in attributes]
    assert_same(exact, drawn(one for one in held if one.kind is not Kind.ELLIPSE))
    assert len(found) == len(held)
    ids = [number for row in rows for number in row["objects"]["id"]]
    assert sorted(ids) == list(range(1, len(held) + 1))


def test_datasets_finds_outlines_masks_and_attributes(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    write_files("hf", folder)
    paint(folder / "train")
    objects = [
        {name: column[number] for name, column in row["objects"].items()}
        for row in load(folder)
        for number in range(len(row["objects"]["id"]))
    ]
    [parked] = [found for one in objects if (found := json.loads(one["attributes"] or "{}")).get("plate")]
    assert parked == {**PARKED, "rotation": 0.0, "rotation_attribute": PARKED["rotation"], "occluded": True}
    outlines = [json.loads(one["segmentation"]) for one in objects if one["segmentation"].startswith("[")]
    assert all([list(one.points)] in outlines for one in OBJECTS if one.kind is Kind.POLYGON)
    [mask] = [one for one in objects if one["segmentation"].startswith("{") and "ellipse" not in one["attributes"]]
    segmentation = json.loads(mask["segmentation"])
    [expected] = [pixels_of(one) for one in OBJECTS if one.kind is Kind.MASK]
    assert np.array_equal(coco_mask.decode(coco_mask.frPyObjects(segmentation, *segmentation["size"])), expected)
    assert mask["area"] == expected.sum()
    keypoints = [json.loads(one["keypoints"]) for one in objects if one["keypoints"]]
    assert [8.5, 2, 2, 12, 9.25, 1, 20, 30, 0] in keypoints


def test_datasets_takes_the_names_of_the_classes_from_labels_json(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    write_files("hf", folder)
    paint(folder / "train")
    names = [one["name"] for one in json.loads((folder / "labels.json").read_text())["categories"]]
    features = load(folder).features.copy()
    features["objects"]["category"] = datasets.List(datasets.ClassLabel(names=names))
    assert load(folder).cast(features).features["objects"]["category"].feature.names == [one.name for one in LABELS]


@pytest.mark.parametrize("objects", [(), OBJECTS[:1]], ids=["no object", "one object"])
def test_datasets_loads_images_without_objects(objects: tuple[FrameObject, ...], tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    write("hf", objects, folder)
    paint(folder / "train")
    assert sum(len(row["objects"]["id"]) for row in load(folder)) == len(objects)


def test_datasets_loads_a_file_of_several_chunks_whose_first_images_have_no_objects(tmp_path: Path) -> None:
    """It reads ten megabytes at a time, and takes the types of all from the first."""
    folder = tmp_path / "dataset"
    images = [Image(f"{number:05}.png", 4, 4, number, "x" * 2_000) for number in range(8_000)]
    last = FrameObject(Kind.RECTANGLE, 7_999, "car", (1.0, 1.0, 3.0, 3.0))
    write("hf", [last], folder, images)
    assert (folder / "train/metadata.jsonl").stat().st_size > 15 << 20
    for image in images:
        (folder / "train" / image.name).touch()
    rows = load(folder).select_columns(["objects"])
    assert rows[0]["objects"]["bbox"] == [[1.0, 1.0, 2.0, 2.0]]
    assert len(rows) == len(images)
