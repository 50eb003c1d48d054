"""Reading COCO datasets that `write_coco` wrote; any file may be given."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelyard.annotations.content import Content, FrameObject, Image, Keypoint, Kind
from labelyard.annotations.masks import mask_points
from labelyard.annotations.outlines import extent
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.objects import StoredObject, parse_address
from labelyard.errors import InputError
from labelyard.formats.checks import check
from labelyard.formats.checks.fault import Severity, summary
from labelyard.formats.checks.values import Document
from labelyard.formats.coco.instances import OWN_FIELDS, attribute_name, decoded
from labelyard.formats.coco.write import AS_DRAWN, EXTRA_PARTS, POINTS_LABEL

_MAX_BYTES = 1 << 30


def read_coco(folder: Path, stem: str) -> Content:
    """Return the content of a dataset, images in the order of their ids. Raises InputError for anything else."""
    extra = folder / f"{stem}.extra.json"
    return content_of(read_instances(folder, stem), read_document(extra) if extra.exists() else {})


def read_instances(folder: Path, stem: str) -> Document:
    """Return `STEM.json`, which has no fault. Raises InputError for anything else."""
    path = folder / f"{stem}.json"
    document = read_document(path)
    errors = [fault for fault in check(document, path.name, severities=AS_DRAWN) if fault.severity is Severity.ERROR]
    if errors:
        raise InputError(f"the file cannot be used: {summary(errors)}", where=str(path))
    return document


def read_document(path: Path) -> Document:
    """Return a file as JSON values. Raises InputError if it is no JSON object."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"a COCO file may have at most {_MAX_BYTES} bytes", where=str(path))
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        raise InputError("not a COCO document", where=str(path))
    return document


def content_of(document: Document, extra: Document | None = None) -> Content:
    """Return the content of documents, the first without faults. Raises InputError if labelyard did not write them."""
    try:
        categories = sorted(document["categories"], key=lambda category: category["id"])
        images = [image_of(raw) for raw in sorted(document["images"], key=lambda image: image["id"])]
        frames = {raw["id"]: raw.get("cvat_frame", raw["id"] - 1) for raw in document["images"]}
        labels = {category["id"]: label_of(category) for category in categories}
        objects = [
            *(
                one
                for raw in document["annotations"]
                for one in objects_of(raw, frames[raw["image_id"]], labels[raw["category_id"]])
            ),
            *(
                extra_object(kind, raw, frames[raw["image_id"]], labels[raw["category_id"]])
                for kind, part in EXTRA_PARTS.items()
                for raw in (extra or {}).get(part, ())
            ),
        ]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a dataset file of labelyard: {type(error).__name__}: {error}") from error
    return Content(tuple(images), tuple(labels.values()), tuple(objects))


def image_of(raw: Mapping[str, Any]) -> Image:
    """Return an image from its COCO fields."""
    found = parse_address(str(raw.get("coco_url", "")))
    stored = StoredObject(*found, raw["etag"], version_id=raw.get("version_id")) if found and found[1] else None
    frame = raw.get("cvat_frame", raw["id"] - 1)
    orientation = raw.get("exif_orientation")
    return Image(raw["file_name"], raw["width"], raw["height"], frame, raw.get("cvat_name", ""), stored, orientation)


def label_of(category: Mapping[str, Any]) -> Label:
    """Return a label from its COCO category."""
    kind = category.get("type", "any")
    names = category["keypoints"] if kind == "skeleton" else ()
    return Label(
        category["name"],
        attributes=tuple(_attribute(raw) for raw in category.get("attributes", ())),
        type=kind,
        sublabels=tuple(Label(name) for name in names),
        edges=tuple((start - 1, end - 1) for start, end in category.get("skeleton", ())) if names else (),
        id=category["id"],
    )


def _attribute(raw: Mapping[str, Any]) -> AttributeSpec:
    return AttributeSpec(
        raw["name"], InputType(raw["input_type"]), raw["default"], tuple(raw["values"]), mutable=raw["mutable"]
    )


# --- objects ----------------------------------------------------------------------------------------------------------


def objects_of(raw: Mapping[str, Any], frame: int, label: Label) -> list[FrameObject]:
    """Return the objects of a COCO annotation: one, or those that a merged group still shows."""
    attributes = raw.get("attributes", {})
    if "keypoints" in raw:
        return [_with_keypoints(raw, frame, label)]
    segmentation = raw.get("segmentation") or []
    x, y, width, height = raw["bbox"]
    box = (Kind.RECTANGLE, (x, y, x + width, y + height))
    shapes: list[tuple[Kind, tuple[float, ...]]]
    if "ellipse" in attributes:
        x, y, radius_x, radius_y = attributes["ellipse"]
        shapes = [(Kind.ELLIPSE, (x, y, x + radius_x, y - radius_y))]
    elif "rotation" in attributes or not segmentation:
        shapes = [box]
    else:
        if isinstance(segmentation, dict):
            shapes = [(Kind.MASK, mask_points(decoded(segmentation)))]
        else:
            shapes = [(Kind.POLYGON, tuple(polygon)) for polygon in segmentation]
        if attributes.get("group") and not _is_box_around(raw["bbox"], shapes):
            shapes.insert(0, box)  # of the group's rectangles
    return [built(kind, frame, label, points, attributes) for kind, points in shapes]


def _is_box_around(box: Sequence[float], shapes: Sequence[tuple[Kind, tuple[float, ...]]]) -> bool:
    points: list[float] = []
    for kind, numbers in shapes:
        if kind is Kind.MASK:
            left, top, right, bottom = numbers[-4:]
            points += [left, top, right + 1, bottom + 1]
        else:
            points += numbers
    left, top, right, bottom = extent(points)
    return all(map(math.isclose, box, (left, top, right - left, bottom - top)))


def _with_keypoints(raw: Mapping[str, Any], frame: int, label: Label) -> FrameObject:
    values, attributes = raw["keypoints"], raw.get("attributes", {})
    triples = list(zip(values[::3], values[1::3], values[2::3], strict=True))
    if label.type == POINTS_LABEL:
        return built(Kind.POINTS, frame, label, tuple(v for x, y, seen in triples if seen for v in (x, y)), attributes)
    of_points = attributes.get("points", {})
    keypoints = tuple(
        Keypoint(one.name, x, y, outside=v == 0, occluded=v == 1, attributes=of_points.get(one.name, {}))
        for one, (x, y, v) in zip(label.sublabels, triples, strict=True)
    )
    return built(Kind.SKELETON, frame, label, (), attributes, keypoints)


def extra_object(kind: Kind, raw: Mapping[str, Any], frame: int, label: Label) -> FrameObject:
    """Return the object of an item of the extra file."""
    points = tuple(value for pair in raw.get("points", ()) for value in pair)
    return built(kind, frame, label, points, raw["attributes"])


def built(
    kind: Kind,
    frame: int,
    label: Label,
    points: tuple[float, ...],
    attributes: Mapping[str, Any],
    keypoints: tuple[Keypoint, ...] = (),
) -> FrameObject:
    """Return an object whose own fields stand among its attributes, as `attributes_of` returns them."""
    return FrameObject(
        kind, frame, label.name, points, attributes.get("rotation", 0.0), keypoints,
        attributes={attribute_name(name): value for name, value in attributes.items() if name not in OWN_FIELDS},
        occluded=attributes.get("occluded", False), z_order=attributes.get("z_order", 0),
        group=attributes.get("group", 0), source=attributes.get("source", "manual"), score=attributes.get("score"),
        track=attributes.get("track_id"), keyframe=attributes.get("keyframe", False), job=attributes.get("job"),
    )  # fmt: skip
