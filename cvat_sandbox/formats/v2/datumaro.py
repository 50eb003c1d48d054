"""Datumaro 1.0 of CVAT 2.x."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.formats import masks
from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.v2.dataset import ABSENT, VISIBLE, Annotation, Dataset, Item
from cvat_sandbox.formats.v2.skeletons import joints

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Snapshot

IMAGE = 2
"""The type of the media."""


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write `SUBSET.json` for each subset."""
    dataset = Dataset(snapshot)
    head = {"dm_format_version": "1.0", "media_type": IMAGE, "infos": {}, "categories": _categories(dataset)}
    members = {
        f"annotations/{subset}.json": json.dumps({**head, "items": [_item(dataset, item) for item in items]})
        for subset, items in dataset.subsets.items()
    }
    files = [(f"images/{item.subset}/{item.name}", item.file) for item in dataset.items]
    write_zip(out, members, files if images else ())


def _categories(dataset: Dataset) -> dict[str, Any]:
    labels = [{"name": label.name, "parent": dataset.parent_name(label), "attributes": []} for label in dataset.labels]
    attributes = {spec.name for label in dataset.labels for spec in label.attributes} | {"occluded"}
    skeletons = [
        {"label_id": number, "labels": [child.name for child in dataset.children(number).values()],
         "joints": joints(label), "positions": []}
        for number, label in dataset.top_labels.items() if label.type == "skeleton"
    ]  # fmt: skip
    return {"label": {"labels": labels, "label_groups": [], "attributes": sorted(attributes)},
            "points": {"items": skeletons}}  # fmt: skip


def _item(dataset: Dataset, item: Item) -> dict[str, Any]:
    found = [_annotation(dataset, annotation) for annotation in item.annotations]
    return {"id": item.id, "annotations": found, "attr": {"frame": item.number},
            "image": {"path": item.name, "size": [item.height, item.width]}}  # fmt: skip


def _annotation(dataset: Dataset, annotation: Annotation) -> dict[str, Any]:
    common = {"id": 0, "type": annotation.kind, "attributes": annotation.attributes, "group": annotation.group,
              "label_id": annotation.label}  # fmt: skip
    if annotation.kind == "label":
        return common
    if annotation.kind == "skeleton":
        return common | _skeleton(dataset, annotation)
    common["z_order"] = annotation.z_order
    if annotation.mask is not None:
        return common | {"rle": {"counts": masks.compressed(annotation.mask), "size": list(annotation.mask["size"])}}
    if annotation.kind == "bbox":
        return common | {"bbox": list(annotation.box)}
    seen = {"visibility": [VISIBLE] * (len(annotation.points) // 2)} if annotation.kind == "points" else {}
    return common | {"points": annotation.points} | seen


def _skeleton(dataset: Dataset, skeleton: Annotation) -> dict[str, Any]:
    order = list(dataset.children(skeleton.label))
    points: list[list[Any]] = [[0.0, 0.0, ABSENT] for _ in order]
    attributes: list[dict[str, Any]] = [{} for _ in order]
    for element in skeleton.elements:
        position = order.index(element.label)
        points[position] = [element.x, element.y, element.visibility]
        attributes[position] = element.attributes
    return {"points": [value for point in points for value in point], "points_attributes": attributes}
