"""Readers of other projects find everything in a release that was merged of two files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hotcoco
import mlcroissant
import pytest
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.domain.splits import SplitRule
from labelyard.releases.croissant import write_croissant
from labelyard.releases.difference import Difference
from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.manifest import Manifest, references
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from tests.judges.comparison import Found, assert_same, corners, drawn
from tests.judges.dataset import paint, write_files
from tests.judges.datumaro_items import import_from
from tests.support.coco_files import document, write
from tests.support.content_strategies import IMAGES

OTHER = "other/x.jpg"
ALL_IMAGES = (*IMAGES, Image(OTHER, 100, 100, 99))
BOXES = [Found(OTHER, "car", (10.0 * n, 1.0, 10.0 * n + 9, 9.0)) for n in range(2)]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of labelyard's own rich file and of a simple one."""
    write_files("coco", tmp_path)
    other = write(tmp_path / "other.json", document([OTHER]))
    merge([SourceFile(tmp_path / "street.json"), SourceFile(other)], tmp_path / "release")
    return tmp_path / "release"


def held(folder: Path) -> list[FrameObject]:
    left_out = (Kind.TAG, Kind.POLYLINE, Kind.ELLIPSE)  # an ellipse's box depends on who draws its pixels
    return [one for one in write_files("coco", folder) if one.kind not in left_out]


@pytest.mark.parametrize("reader", [COCO, hotcoco.COCO], ids=["pycocotools", "hotcoco"])
def test_coco_readers_find_every_box_of_both_files(reader: Any, release: Path, tmp_path: Path) -> None:
    coco = reader(str(release / "annotations" / "instances_train.json"))
    names = {image["id"]: image["file_name"] for image in coco.loadImgs(coco.getImgIds())}
    labels = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    assert sorted(names.values()) == sorted([OTHER, *(image.name for image in IMAGES)])
    found = [
        Found(names[one["image_id"]], labels[one["category_id"]], corners(*one["bbox"]))
        for one in coco.loadAnns(coco.getAnnIds())
        if "ellipse" not in one["attributes"]
    ]
    assert_same(found, [*drawn(held(tmp_path)), *BOXES])


def test_torchvision_loads_every_image_with_its_boxes(release: Path, tmp_path: Path) -> None:
    images, file = release / "images" / "train", release / "annotations" / "instances_train.json"
    paint(images, ALL_IMAGES)
    plain = CocoDetection(images, file)
    names = {number: image["file_name"] for number, image in plain.coco.imgs.items()}
    labels = {number: label["name"] for number, label in plain.coco.cats.items()}
    ellipses = {number for number, one in plain.coco.anns.items() if "ellipse" in one["attributes"]}
    found, seen = [], {}
    wrapped = wrap_dataset_for_transforms_v2(plain)
    for index in range(len(plain)):
        (_, annotations), (picture, target) = plain[index], wrapped[index]
        name = names[target["image_id"]]
        seen[name] = picture.size
        for number, one in enumerate(annotations):
            if one["id"] not in ellipses:
                box = tuple(target["boxes"][number].tolist())
                found.append(Found(name, labels[int(target["labels"][number])], box))
    assert seen == {image.name: (image.width, image.height) for image in ALL_IMAGES}
    assert_same(found, [*drawn(held(tmp_path)), *BOXES])


def test_datumaro_finds_every_box_of_both_files(release: Path, tmp_path: Path) -> None:
    paint(release / "images" / "train", ALL_IMAGES)
    items = import_from(release, "coco_instances", ALL_IMAGES)
    found = [one for item in items for one, box in item.boxes() if "ellipse" not in box.attributes]
    assert_same(found, [*drawn(held(tmp_path)), *BOXES])


def test_mlcroissant_loads_every_record(tmp_path: Path) -> None:
    sources = [document([f"{name}/{n}.jpg" for n in range(5)]) for name in ("a", "b")]
    files = [write(tmp_path / f"{number}.json", one) for number, one in enumerate(sources)]
    facts = ReleaseFacts(
        "street", 3, "Streets.", "CC-BY-4.0", "data@example.com", "s3://bucket/street/3/", "2026-05-01"
    )

    def describe(folder: Path, manifest: Manifest, _changes: Difference) -> None:
        write_croissant(folder, manifest, facts)

    rule = SplitRule({"train": 0.5, "val": 0.5})
    to = tmp_path / "release"
    merged = merge(list(map(SourceFile, files)), to, MergeOptions(rule, write_more=describe))
    found = mlcroissant.Dataset(str(to / "croissant.json"))
    assert [row["splits/name"] for row in found.records("splits")] == ["train", "val"]
    images = {row["images/id"]: (row["images/file_name"], row["images/split"]) for row in found.records("images")}
    expected = {one.id: (one.file_name.encode(), one.split.encode()) for one in references(to)}
    assert images == expected
    assert len(images) == 10
    for split, counts in merged.manifest.counts.items():
        records = list(found.records(f"annotations-{split}"))
        assert len(records) == counts.items["annotations"] > 0
        coco = COCO(str(to / "annotations" / f"instances_{split}.json"))
        assert {row[f"annotations-{split}/id"] for row in records} == set(coco.anns)
