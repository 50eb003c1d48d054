"""Reading CVAT's COCO zip without trusting it: nothing is unpacked by name, and sizes are counted while reading."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from labelyard.annotations.content import Annotation, CocoContent, Image, Polygons, Rle, Severity
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.formats.checks.document import check

MEMBER = "annotations/instances_default.json"
"""Where CVAT puts the instances of a task."""

_MOST_MEMBERS = 100_000
_MOST_BYTES = 1 << 30
_HIGHEST_RATIO = 200  # JSON of boxes deflates to a tenth or so
_SMALL = 10 << 20  # below this a ratio says nothing


def read_export(path: Path) -> CocoContent:
    """The content of a `COCO 1.0` zip, frames in the order of its image ids.

    Raises ExportFailed for a broken zip or a document that would mislead or crash its readers, CvatDisagrees for one
    that is no COCO export at all.
    """
    document = _document(_member_bytes(path), path)
    grave = [finding for finding in check(document, MEMBER) if finding.gravity is Severity.REFUSE]
    if grave:
        more = f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
        raise ExportFailed(f"the export cannot be used: {grave[0]}{more}", where=str(path))
    return content_of(document)


def content_of(document: dict[str, Any]) -> CocoContent:
    """The content of a document that `check` found nothing grave in."""
    images = sorted(document["images"], key=lambda image: image["id"])
    categories = sorted(document["categories"], key=lambda category: category["id"])
    frames = {image["id"]: frame for frame, image in enumerate(images)}
    names = {category["id"]: category["name"] for category in categories}
    return CocoContent(
        images=tuple(Image(image["file_name"], image["width"], image["height"]) for image in images),
        categories=tuple(names.values()),
        annotations=tuple(
            _annotation(raw, frames[raw["image_id"]], names[raw["category_id"]]) for raw in document["annotations"]
        ),
    )


def _annotation(raw: dict[str, Any], frame: int, label: str) -> Annotation:
    x, y, width, height = map(float, raw["bbox"])
    score = raw.get("score")
    return Annotation(
        frame=frame,
        label=label,
        bbox=(x, y, width, height),
        segmentation=_segmentation(raw["segmentation"]),
        area=float(raw["area"]),
        crowd=raw["iscrowd"] == 1,
        score=None if score is None else float(score),
    )


def _segmentation(raw: Any) -> Polygons | Rle:
    if isinstance(raw, dict):
        height, width = raw["size"]
        return Rle(height, width, tuple(raw["counts"]))
    return tuple(tuple(map(float, outline)) for outline in raw)


def _member_bytes(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, path)
            with archive.open(member) as stream:
                data = stream.read(_MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ExportFailed(f"the export is not a readable zip file: {error}", where=str(path)) from error
    if len(data) > _MOST_BYTES or len(data) > max(_SMALL, _HIGHEST_RATIO * max(member.compress_size, 1)):
        raise ExportFailed(f"{MEMBER} in the export unpacks to more than it may", where=str(path))
    return data


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = archive.infolist()
    found = [member for member in members if member.filename == MEMBER]
    if len(members) > _MOST_MEMBERS or len(found) != 1:
        what = f"the export has {len(members)} members, {len(found)} of them called {MEMBER}; one was expected"
        raise CvatDisagrees(what, where=str(path))
    if found[0].file_size > max(_SMALL, min(_MOST_BYTES, _HIGHEST_RATIO * max(found[0].compress_size, 1))):
        raise ExportFailed(f"{MEMBER} in the export would unpack to {found[0].file_size} bytes", where=str(path))
    return found[0]


def _document(data: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExportFailed(f"{MEMBER} in the export is not valid JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise CvatDisagrees(f"{MEMBER} in the export is not a COCO document", where=str(path))
    return document
