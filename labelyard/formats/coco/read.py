"""Reading COCO files without trust: nothing is unpacked by name, and bytes are counted while they are read."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from labelyard.annotations.content import AnnotatedImages, Image, Instance, Mask, Polygons
from labelyard.errors import CvatDisagrees, ExportFailed, InputError
from labelyard.formats.checks import check
from labelyard.formats.checks.fault import Fault, Severity, summary
from labelyard.formats.checks.values import Document

MEMBER = "annotations/instances_default.json"
"""The file in CVAT's zip that holds the instances of a task."""

_MAX_MEMBERS = 100_000
_MAX_BYTES = 1 << 30
_MAX_RATIO = 200  # JSON of boxes deflates to about a tenth
_ALWAYS_ALLOWED = 10 << 20  # a ratio says nothing about smaller files


def read_export(path: Path) -> AnnotatedImages:
    """Return the content of CVAT's `COCO 1.0` zip, frames in the order of its image ids.

    Raises ExportFailed for a broken zip or a document with errors, CvatDisagrees for a file that is no COCO export.
    """
    try:
        document = json.loads(_member_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ExportFailed(f"{MEMBER} in the export is not valid JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise CvatDisagrees(f"{MEMBER} in the export is not a COCO document", where=str(path))
    if errors := _errors(document, MEMBER):
        raise ExportFailed(f"the export cannot be used: {summary(errors)}", where=str(path))
    return content_of(document)


def read_dataset(path: Path) -> AnnotatedImages:
    """Return the content of a dataset file, images by `file_name` in the order of their ids.

    Raises InputError for a file that is not a COCO document, or one with errors.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"a COCO file may have at most {_MAX_BYTES} bytes", where=str(path))
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise InputError("not a COCO document", where=str(path))
    if errors := _errors(document, path.name):
        raise InputError(f"the file cannot be used: {summary(errors)}", where=str(path))
    return content_of(document)


def content_of(document: Document) -> AnnotatedImages:
    """Return the content of a document in which `check` found no error."""
    images = sorted(document["images"], key=lambda image: image["id"])
    categories = sorted(document["categories"], key=lambda category: category["id"])
    frames = {image["id"]: frame for frame, image in enumerate(images)}
    names = {category["id"]: category["name"] for category in categories}
    return AnnotatedImages(
        images=tuple(Image(image["file_name"], image["width"], image["height"]) for image in images),
        labels=tuple(names.values()),
        instances=tuple(
            _instance(raw, frames[raw["image_id"]], names[raw["category_id"]]) for raw in document["annotations"]
        ),
    )


def _errors(document: Document, file: str) -> list[Fault]:
    return [fault for fault in check(document, file) if fault.severity is Severity.ERROR]


def _instance(raw: dict[str, Any], frame: int, label: str) -> Instance:
    x, y, width, height = map(float, raw["bbox"])
    score = raw.get("score")
    return Instance(
        frame=frame,
        label=label,
        box=(x, y, width, height),
        outline=_outline(raw["segmentation"]),
        area=float(raw["area"]),
        is_crowd=raw["iscrowd"] == 1,
        score=None if score is None else float(score),
    )


def _outline(segmentation: Any) -> Polygons | Mask:
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        return Mask(height, width, tuple(segmentation["counts"]))
    return tuple(tuple(map(float, outline)) for outline in segmentation)


def _member_bytes(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, path)
            with archive.open(member) as stream:
                data = stream.read(_MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ExportFailed(f"the export is not a readable zip file: {error}", where=str(path)) from error
    if len(data) > _allowed_bytes(member):
        raise ExportFailed(f"{MEMBER} in the export unpacks to more bytes than allowed", where=str(path))
    return data


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = archive.infolist()
    found = [member for member in members if member.filename == MEMBER]
    if len(members) > _MAX_MEMBERS or len(found) != 1:
        what = f"the export has {len(members)} members, {len(found)} of them called {MEMBER}; one was expected"
        raise CvatDisagrees(what, where=str(path))
    if found[0].file_size > _allowed_bytes(found[0]):
        raise ExportFailed(f"{MEMBER} in the export would unpack to {found[0].file_size} bytes", where=str(path))
    return found[0]


def _allowed_bytes(member: zipfile.ZipInfo) -> int:
    return max(_ALWAYS_ALLOWED, min(_MAX_BYTES, _MAX_RATIO * max(member.compress_size, 1)))
