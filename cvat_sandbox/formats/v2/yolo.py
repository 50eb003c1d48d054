"""The YOLO formats of CVAT 2.x: a text file for each image, those of Ultralytics only where there is something."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any, BinaryIO

import yaml

from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.v2 import contours, ellipse
from cvat_sandbox.formats.v2.dataset import ABSENT, Annotation, Dataset, Item
from cvat_sandbox.formats.v2.snapshot import DEFAULT_SUBSET

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Snapshot

Rows = Callable[[Dataset, Item, Annotation], Iterable[tuple[list[Any], ...]]]
STRAIGHT = 1e-5
"""Degrees. A box that is turned further has no place in the format Detection."""


def write_detection(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write centre and size of each box that is not turned."""
    _write(Dataset(snapshot), out, _detection, images=images)


def write_darknet(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write YOLO 1.1, in which every image has a file and the rotation of boxes is lost."""
    dataset = Dataset(snapshot)
    members: dict[str, str | bytes] = {}
    files, lists = [], ""
    for subset, items in dataset.subsets.items():
        name = _subset(subset)
        members[f"{name}.txt"] = "".join(f"data/obj_{name}_data/{item.name}\n" for item in items)
        lists += f"{name} = data/{name}.txt\n"
        files += [(f"obj_{name}_data/{item.name}", item.file) for item in items]
        for item in items:
            boxes = [(a.label, _centre_and_size(a.box, item)) for a in item.annotations if a.kind == "bbox"]
            members[f"obj_{name}_data/{item.id}.txt"] = "".join(_line(label, values) for label, values in boxes)
    members["obj.data"] = f"classes = {len(dataset.labels)}\n{lists}names = data/obj.names\nbackup = backup/\n"
    members["obj.names"] = "".join(f"{label.name}\n" for label in dataset.labels)
    write_zip(out, members, files if images else ())


def write_segmentation(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the corners of polygons, and of the outlines of masks and ellipses."""
    _write(Dataset(snapshot), out, _segmentation, images=images)


def write_oriented_boxes(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the four corners of each box, with its rotation."""
    _write(Dataset(snapshot), out, _oriented_boxes, images=images)


def write_pose(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the box of each skeleton, and place and visibility of its points."""
    dataset = Dataset(snapshot)
    skeletons = {number: label for number, label in dataset.top_labels.items() if label.type == "skeleton"}
    most = max((len(dataset.children(number)) for number in skeletons), default=0)
    _write(dataset, out, _pose, list(skeletons), {"kpt_shape": [most, 3]}, images=images)


def _write(
    dataset: Dataset, out: BinaryIO, rows: Rows, labels: list[int] | None = None, extra: dict[str, Any] | None = None,
    *, images: bool,
) -> None:  # fmt: skip
    numbers = {position: number for number, position in enumerate(dataset.top_labels if labels is None else labels)}
    names = {number: dataset.labels[position].name for position, number in numbers.items()}
    members: dict[str, str | bytes] = {}
    files = []
    settings: dict[str, Any] = {"names": names, "path": ".", **(extra or {})}
    for subset, items in dataset.subsets.items():
        folder = _subset(subset)
        settings[folder] = f"{folder}.txt"
        members[f"{folder}.txt"] = "".join(f"data/images/{folder}/{item.name}\n" for item in items)
        files += [(f"images/{folder}/{item.name}", item.file) for item in items]
        for item in items:
            if lines := _lines(dataset, item, rows, numbers):
                members[f"labels/{folder}/{item.id}.txt"] = lines
    members["data.yaml"] = yaml.safe_dump(settings, allow_unicode=True)
    write_zip(out, members, files if images else ())


def _subset(name: str) -> str:
    return "train" if name == DEFAULT_SUBSET else name


def _line(number: int, values: list[Any]) -> str:
    """Return a line of a label file; numbers with a fraction have six digits of it."""
    words = [f"{value:.6f}" if isinstance(value, float) else str(value) for value in values]
    return f"{number} {' '.join(words)}\n"


def _lines(dataset: Dataset, item: Item, rows: Rows, numbers: dict[int, int]) -> str:
    lines = ""
    for annotation in item.annotations:
        for parts in rows(dataset, item, annotation):
            lines += _line(numbers[annotation.label], [value for part in parts for value in part])
    return lines


def _scaled(points: list[float], item: Item) -> list[float]:
    return [value / size for value, size in zip(points, cycle((item.width, item.height)), strict=False)]


def _centre_and_size(box: tuple[float, float, float, float], item: Item) -> list[float]:
    x, y, width, height = box
    return _scaled([x + width / 2, y + height / 2, width, height], item)


def _detection(_dataset: Dataset, item: Item, annotation: Annotation) -> Iterable[tuple[list[Any], ...]]:
    if annotation.kind == "bbox" and annotation.attributes["rotation"] % 360 <= STRAIGHT:
        yield (_centre_and_size(annotation.box, item),)


def _segmentation(_dataset: Dataset, item: Item, annotation: Annotation) -> Iterable[tuple[list[Any], ...]]:
    if annotation.kind == "ellipse":
        annotation = annotation.with_mask(ellipse.drawn(annotation, item.height, item.width))
    found = contours.polygons(annotation.mask) if annotation.mask is not None else []
    for points in [annotation.points] if annotation.kind == "polygon" else found:
        yield (_scaled(points, item),)


def _oriented_boxes(_dataset: Dataset, item: Item, annotation: Annotation) -> Iterable[tuple[list[Any], ...]]:
    if annotation.kind == "bbox":
        yield (_scaled(turned_corners(annotation), item),)


def turned_corners(bbox: Annotation) -> list[float]:
    """Return the outline of a bbox with its rotation around its middle."""
    x, y, width, height = bbox.box
    angle = math.radians(bbox.attributes["rotation"])
    if not angle:
        return bbox.corners
    middle_x, middle_y, cos, sin = x + width / 2, y + height / 2, math.cos(angle), math.sin(angle)
    found = []
    for px, py in zip(bbox.corners[::2], bbox.corners[1::2], strict=True):
        dx, dy = px - middle_x, py - middle_y
        found += [middle_x + cos * dx - sin * dy, middle_y + sin * dx + cos * dy]
    return found


def _pose(dataset: Dataset, item: Item, annotation: Annotation) -> Iterable[tuple[list[Any], ...]]:
    if annotation.kind != "skeleton":
        return
    most = max(len(dataset.children(number)) for number in dataset.top_labels)
    points: list[list[Any]] = [["0.0", "0.0", ABSENT] for _ in range(most)]
    order = list(dataset.children(annotation.label))
    for element in annotation.elements:
        points[order.index(element.label)] = [*_scaled([element.x, element.y], item), element.visibility]
    yield (_centre_and_size(annotation.box, item), *points)
