"""Readers of other projects find everything in the other formats of a release, as `labelyard fetch` lays them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

import datasets
from labelyard.annotations.content import FrameObject, Kind
from labelyard.domain.splits import SplitRule
from labelyard.formats import SPLIT_WRITERS
from labelyard.releases.layout import lay_out
from labelyard.releases.manifest import references
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from labelyard.releases.verification import verify
from tests.judges.comparison import Found, assert_same, corners, drawn
from tests.judges.dataset import FLAT_IMAGES, paint, write_files
from tests.judges.datumaro_items import import_from

FORMATS = ("coco-keypoints", *SPLIT_WRITERS)


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A release with two splits, one of them with an image without objects, in every format."""
    write_files("coco", tmp_path, FLAT_IMAGES)
    folder, rule = tmp_path / "release", SplitRule({"train": 0.9, "val": 0.1})
    merged = merge([SourceFile(tmp_path / "street.json")], folder, MergeOptions(rule, formats=FORMATS))
    assert all(counts.images for counts in merged.manifest.counts.values())
    paint(folder / "images", FLAT_IMAGES)
    for name in SPLIT_WRITERS:
        lay_out(folder, merged.manifest, name, ())
    assert verify(folder).faults == ()
    return folder


def held(name: str, folder: Path) -> list[FrameObject]:
    return [one for one in write_files(name, folder, FLAT_IMAGES) if one.kind is not Kind.ELLIPSE]


@pytest.mark.parametrize(("name", "form"), [("yolo-detect", "yolo"), ("voc", "voc_detection")])
def test_datumaro_finds_every_box(name: str, form: str, fetched: Path, tmp_path: Path) -> None:
    found = [one for item in import_from(fetched / name, form, FLAT_IMAGES) for one, _ in item.boxes()]
    assert_same(found, drawn(held(name, tmp_path / "batch"), FLAT_IMAGES))


def test_datasets_finds_every_split_and_box(fetched: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset("imagefolder", data_dir=str(fetched / "hf"), cache_dir=str(tmp_path / "cache"))
    splits = {one.file_name: one.split for one in references(fetched)}
    names = [one["name"] for one in json.loads((fetched / "hf" / "labels.json").read_text())["categories"]]
    boxes: list[Found] = []
    for split, rows in loaded.items():
        for row in rows:
            file = json.loads(row["source"])["file_name"]
            assert splits.pop(file) == {"train": "train", "validation": "val"}[split]
            boxes += [
                Found(file, names[row["objects"]["category"][number]], corners(*box))
                for number, box in enumerate(row["objects"]["bbox"])
                if "ellipse" not in row["objects"]["attributes"][number]
            ]
    assert not splits
    assert_same(boxes, drawn(held("hf", tmp_path / "batch"), FLAT_IMAGES))


def test_pycocotools_finds_the_keypoints_under_the_ids_of_the_instances(fetched: Path) -> None:
    found: list[dict[str, Any]] = []
    for split in ("train", "val"):
        instances = COCO(str(fetched / "annotations" / f"instances_{split}.json"))
        keypoints = COCO(str(fetched / "annotations" / f"person_keypoints_{split}.json"))
        assert keypoints.imgs == instances.imgs
        assert all("skeleton" in one for one in keypoints.cats.values())
        found += [one for one in keypoints.anns.values() if one == instances.anns[one["id"]]]
    assert sorted(one["keypoints"] for one in found) == [[1, 2, 2, 11, 22, 2], [8.5, 2, 2, 12, 9.25, 1, 20, 30, 0]]
