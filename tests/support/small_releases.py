"""Small releases of given images and boxes, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelyard.domain.splits import SplitRule
from labelyard.releases.manifest import read_manifest
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.report.reading import Contents, read
from labelyard.releases.sources import SourceFile

THREE_SPLITS = SplitRule({"train": 0.5, "val": 0.3, "test": 0.2})


def image(number: int, width: int = 100, height: int = 80, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number:03d}.jpg", "width": width, "height": height, **more}


def box(on: int, label: str, x: float, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    """An annotation of the image with this number."""
    return {"image_id": on, "label": label, "bbox": [x, y, width, height], **more}


def write_release(
    folder: Path,
    images: Sequence[Mapping[str, Any]],
    boxes: Iterable[Mapping[str, Any]],
    *,
    labels: Sequence[str] = ("car", "person"),
    rule: SplitRule | None = None,
    previous: Path | None = None,
    info: Mapping[str, Any] | None = None,
) -> Path:
    """Write a release below a folder, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {label: number for number, label in enumerate(labels, 1)}
    annotations = [
        {"id": number, "category_id": ids[one["label"]], "area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0,
         "segmentation": [], **{key: value for key, value in one.items() if key != "label"}}
        for number, one in enumerate(boxes, 1)
    ]  # fmt: skip
    document = {
        "info": {}, "licenses": [], "categories": [{"id": number, "name": label} for label, number in ids.items()],
        "images": list(images), "annotations": annotations,
    }  # fmt: skip
    source = folder / "source.json"
    source.write_text(json.dumps(document))
    release = folder / "release"
    merge([SourceFile(source)], release, MergeOptions(rule, previous, info=info or {"dataset": "street", "version": 3}))
    return release


def contents(release: Path) -> Contents:
    return read(release, read_manifest(release))
