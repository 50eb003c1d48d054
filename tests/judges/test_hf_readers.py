"""Hugging Face datasets finds in metadata.jsonl what was drawn, with real pictures beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

import datasets
from labelyard.annotations.content import FrameObject, Image, Kind
from tests.judges.comparison import Found, assert_same, corners, drawn, pixels_of
from tests.judges.dataset import OBJECTS, PARKED, paint, write_files
from tests.support.content_strategies import IMAGES, LABELS
from tests.support.dataset_writing import write


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
    images = [Image(f"{number:03}.png", 4, 4, number, "x" * 200_000) for number in range(100)]
    last = FrameObject(Kind.RECTANGLE, 99, "car", (1.0, 1.0, 3.0, 3.0))
    write("hf", [last], folder, images)
    assert (folder / "train/metadata.jsonl").stat().st_size > 15 << 20
    for image in images:
        (folder / "train" / image.name).touch()
    rows = load(folder).select_columns(["objects"])
    assert rows[0]["objects"]["bbox"] == [[1.0, 1.0, 2.0, 2.0]]
    assert len(rows) == len(images)
