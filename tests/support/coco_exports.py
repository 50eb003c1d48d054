"""Exports as files: recorded ones, and ones made of any content."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from labelyard.annotations.content import CocoContent
from tests.support.paths import RECORDINGS

EXCHANGES = RECORDINGS / "cvat-1.0.0"


def recording(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXCHANGES / f"{name}.json").read_text())
    return document


def recorded_document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = recording(name)["zip_json"]["annotations/instances_default.json"]
    return document


def as_export(content: CocoContent) -> dict[str, Any]:
    """A document numbered as CVAT v1 numbers: images from 0, annotations and categories from 1."""
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {},
        "categories": [{"id": i, "name": n, "supercategory": ""} for i, n in enumerate(content.categories, 1)],
        "images": [
            {"id": i, "file_name": image.name, "width": image.width, "height": image.height}
            for i, image in enumerate(content.images)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": a.frame,
                "category_id": content.categories.index(a.label) + 1,
                "bbox": list(a.bbox),
                "area": a.area,
                "iscrowd": int(a.crowd),
                "segmentation": {
                    "counts": list(a.segmentation.counts),
                    "size": [a.segmentation.height, a.segmentation.width],
                }
                if not isinstance(a.segmentation, tuple)
                else [list(p) for p in a.segmentation],
            }
            | ({} if a.score is None else {"score": a.score})
            for number, a in enumerate(content.annotations, 1)
        ],
    }


def zipped(document: Any, path: Path, member: str = "annotations/instances_default.json") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, document if isinstance(document, bytes) else json.dumps(document))
    return path
