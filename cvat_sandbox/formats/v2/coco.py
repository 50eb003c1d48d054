"""COCO 1.0 and COCO Keypoints 1.0 of CVAT 2.x, writing. The shapes of a group become one annotation."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.errors import WorkerError
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.coco import empty_document, image_entry
from cvat_sandbox.formats.v2 import contours, ellipse
from cvat_sandbox.formats.v2.dataset import ABSENT, Annotation, Dataset, Item
from cvat_sandbox.formats.v2.skeletons import joints

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Snapshot

INSTANCES = ("bbox", "polygon", "mask")
Convert = Callable[[Dataset, Item], list[dict[str, Any]]]


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write `instances_SUBSET.json` for each subset."""
    dataset = Dataset(snapshot)
    categories = [
        {"id": number, "name": label.name, "supercategory": dataset.parent_name(label)}
        for number, label in enumerate(dataset.labels, 1)
    ]
    _write(dataset, out, "instances", categories, _instances, images=images)


def write_keypoints(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write `person_keypoints_SUBSET.json` for each subset: skeletons alone."""
    dataset = Dataset(snapshot)
    categories = [
        {"id": number + 1, "name": label.name, "supercategory": "",
         "keypoints": [child.name for child in dataset.children(number).values()],
         "skeleton": joints(label)}
        for number, label in dataset.top_labels.items()
    ]  # fmt: skip
    _write(dataset, out, "person_keypoints", categories, _keypoints, images=images)


def _write(
    dataset: Dataset, out: BinaryIO, kind: str, categories: list[dict[str, Any]], convert: Convert, *, images: bool
) -> None:
    numbers: dict[str, int] = {}
    for item in (item for items in dataset.subsets.values() for item in items):
        numbers.setdefault(item.id, len(numbers) + 1)  # two images of one name in two subsets have one id
    members = {
        f"annotations/{kind}_{subset}.json": json.dumps(_document(dataset, items, numbers, categories, convert))
        for subset, items in dataset.subsets.items()
    }
    files = [(f"images/{item.subset}/{item.name}", item.file) for item in dataset.items]
    write_zip(out, members, files if images else ())


def _document(
    dataset: Dataset, items: list[Item], numbers: dict[str, int], categories: list[dict[str, Any]], convert: Convert
) -> dict[str, Any]:
    """Return the document of a subset. Its annotations count from 1, the images of all subsets together."""
    document = {**empty_document(), "categories": categories}
    for item in items:
        document["images"].append(image_entry(numbers[item.id], item.name, item.width, item.height))
        for annotation in convert(dataset, item):
            key = len(document["annotations"]) + 1
            document["annotations"].append({"id": key, "image_id": numbers[item.id], **annotation})
    return document


def _instances(_dataset: Dataset, item: Item) -> list[dict[str, Any]]:
    parts = []
    for annotation in item.annotations:
        if annotation.kind == "ellipse":
            parts.append(annotation.with_mask(ellipse.drawn(annotation, item.height, item.width)))
        elif annotation.kind in INSTANCES:
            parts.append(annotation)
    return [_instance(group, item) for group in grouped(parts)]


def grouped(annotations: list[Annotation]) -> list[list[Annotation]]:
    """Return annotations without a group alone, and the members of each group together."""
    found: list[list[Annotation]] = []
    ordered = sorted(annotations, key=lambda annotation: annotation.group)
    for number, iterator in groupby(ordered, key=lambda annotation: annotation.group):
        members = list(iterator)
        found += [members] if number else [[member] for member in members]
    return found


def _instance(group: list[Annotation], item: Item) -> dict[str, Any]:
    """Return the annotation of a group. Its largest part leads it: it gives the label and the attributes."""
    ordered = [part for kind in INSTANCES for part in group if part.kind == kind]
    leader = max(ordered, key=area) if len(ordered) > 1 else ordered[0]
    polygons = [part.points for part in ordered if part.kind == "polygon"]
    drawn = [part.mask for part in ordered if part.mask is not None]
    is_mask = any(part.mask is not None and part.label == leader.label for part in ordered)
    is_crowd = leader.attributes.get("is_crowd", is_mask) is True
    box = _covering([part.box for part in ordered if part.kind == "bbox"] or [part.box for part in ordered])
    if is_crowd and (polygons or drawn):
        return _annotation(leader, box, masks.united(drawn + _drawn(polygons, item)))
    if drawn:
        polygons += contours.polygons(masks.united(drawn))
    return _annotation(leader, box, None, polygons, _drawn(polygons, item))


def _drawn(polygons: list[list[float]], item: Item) -> list[masks.Mask]:
    return [masks.draw(polygons, item.height, item.width)] if polygons else []


def _covering(boxes: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    x, y = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return x, y, max(box[0] + box[2] for box in boxes) - x, max(box[1] + box[3] for box in boxes) - y


def area(part: Annotation) -> float:
    """Return the area by which parts of a group are compared. A polygon is drawn on a canvas up to its far corner."""
    x, y, width, height = part.box
    if part.mask is not None:
        return masks.area(part.mask)
    if part.kind == "bbox":
        return width * height
    canvas = int(y + height), int(x + width)
    return masks.area(masks.draw([part.points], *canvas)) if min(canvas) > 0 else 0


def _annotation(
    leader: Annotation, box: tuple[float, ...], mask: masks.Mask | None = None,
    polygons: list[list[float]] | None = None, drawn: list[masks.Mask] | None = None,
) -> dict[str, Any]:  # fmt: skip
    if mask is not None:
        segmentation: Any = {"counts": masks.run_lengths(mask), "size": list(mask["size"])}
        size = float(masks.area(mask))
    else:
        segmentation = [[float(value) for value in points] for points in polygons or []]
        size = float(masks.area(drawn[0])) if drawn else float(box[2] * box[3])
    attributes = {name: value for name, value in leader.attributes.items() if name not in {"is_crowd", "score"}}
    found = {"category_id": leader.label + 1, "segmentation": segmentation, "area": size,
             "bbox": [round(float(value), 2) for value in box], "iscrowd": int(mask is not None)}  # fmt: skip
    found |= _score(leader)
    return {**found, "attributes": attributes} if attributes else found


def _score(leader: Annotation) -> dict[str, float]:
    try:
        return {"score": float(leader.attributes["score"])}
    except (KeyError, ValueError):
        return {}


def _keypoints(dataset: Dataset, item: Item) -> list[dict[str, Any]]:
    """Return the skeletons. One in a group with a box, polygon or mask takes its box and segmentation from there."""
    skeletons = [annotation for annotation in item.annotations if annotation.kind == "skeleton"]
    others = [annotation for annotation in item.annotations if annotation.kind in INSTANCES and annotation.group]
    led = {annotation.group for annotation in others}
    alone = sorted((s for s in skeletons if s.group not in led), key=lambda skeleton: skeleton.group)
    found = [{**_annotation(skeleton, skeleton.box), **_points(dataset, skeleton)} for skeleton in alone]
    by_group = {skeleton.group: skeleton for skeleton in reversed(skeletons)}
    led_groups = [group for group in grouped(others) if group[0].group in by_group]
    return found + [{**_instance(group, item), **_points(dataset, by_group[group[0].group])} for group in led_groups]


def _points(dataset: Dataset, skeleton: Annotation) -> dict[str, Any]:
    """Return x, y and visibility of the points in the order of their labels."""
    order = list(dataset.children(skeleton.label))
    try:
        elements = sorted(skeleton.elements, key=lambda element: order.index(element.label))
    except ValueError as error:
        raise WorkerError(f"a skeleton has a point of another label: {error}") from None
    return {"keypoints": [value for e in elements for value in (e.x, e.y, e.visibility)],
            "num_keypoints": sum(element.visibility != ABSENT for element in elements)}  # fmt: skip
