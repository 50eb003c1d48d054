"""COCO exports as files: recorded ones, and ones made from any content."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from labelyard.annotations.content import AnnotatedImages, Mask, Polygons
from tests.support.paths import recording


def recorded_document(name: str) -> dict[str, Any]:
    """Return the COCO document of a recorded export."""
    document: dict[str, Any] = recording(int(name[:3]))["zip_json"]["annotations/instances_default.json"]
    return document


def as_export(content: AnnotatedImages) -> dict[str, Any]:
    """Return a document numbered like CVAT v1 does: images from 0, annotations and categories from 1."""
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {},
        "categories": [{"id": i, "name": n, "supercategory": ""} for i, n in enumerate(content.labels, 1)],
        "images": [
            {"id": i, "file_name": image.name, "width": image.width, "height": image.height}
            for i, image in enumerate(content.images)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": one.frame,
                "category_id": content.labels.index(one.label) + 1,
                "bbox": list(one.box),
                "area": one.area,
                "iscrowd": int(one.is_crowd),
                "segmentation": _segmentation(one.outline),
            }
            | ({} if one.score is None else {"score": one.score})
            for number, one in enumerate(content.instances, 1)
        ],
    }


def _segmentation(outline: Polygons | Mask) -> Any:
    if isinstance(outline, Mask):
        return {"counts": list(outline.runs), "size": [outline.height, outline.width]}
    return [list(polygon) for polygon in outline]


def zipped(document: Any, path: Path, member: str = "annotations/instances_default.json") -> Path:
    """Write a document, or bytes, as the member of a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, document if isinstance(document, bytes) else json.dumps(document))
    return path
