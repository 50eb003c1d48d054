"""The annotations of each image as the library knows them that CVAT 2.x writes most formats with.

Cuboids have no place in it. Attributes are converted, missing ones have their default.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cvat_sandbox.errors import WorkerError
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.v2.expansion import shapes_by_frame

if TYPE_CHECKING:
    from pathlib import Path

    from cvat_sandbox.formats.v2.snapshot import Frame, Label, Shape, Snapshot, TaskContent

Kind = Literal["label", "bbox", "polygon", "polyline", "points", "ellipse", "mask", "skeleton"]
KINDS: dict[str, Kind] = {"rectangle": "bbox", "polygon": "polygon", "polyline": "polyline", "points": "points",
                          "ellipse": "ellipse", "mask": "mask", "skeleton": "skeleton"}  # fmt: skip
ABSENT, HIDDEN, VISIBLE = 0, 1, 2


class Element(NamedTuple):
    """A point of a skeleton: its label, place, visibility and attributes."""

    label: int
    x: float
    y: float
    visibility: int
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Annotation:
    """An annotation. `label` is the position of its label in the snapshot."""

    kind: Kind
    label: int
    attributes: dict[str, Any]
    group: int
    z_order: int = 0
    points: list[float] = field(default_factory=list)
    """Rounded to two digits. Two corners for a bbox and for the box of an ellipse."""
    mask: masks.Mask | None = None
    elements: tuple[Element, ...] = ()
    origin: Shape = field(default_factory=dict, repr=False, compare=False)
    """The tag or shape as the API holds it; one of a track has the key `source_track_id`."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width and height. Absent points of a skeleton do not count."""
        if self.mask is not None:
            return masks.box(self.mask)
        if self.kind == "skeleton":
            seen = [element for element in self.elements if element.visibility != ABSENT]
            xs, ys = [element.x for element in seen] or [0], [element.y for element in seen] or [0]
        elif self.kind == "bbox":
            return self.points[0], self.points[1], self.points[2] - self.points[0], self.points[3] - self.points[1]
        else:
            xs, ys = self.points[::2], self.points[1::2]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

    @property
    def corners(self) -> list[float]:
        """The outline of a bbox, without its rotation."""
        x, y, width, height = self.box
        return [x, y, x + width, y, x + width, y + height, x, y + height]

    def with_mask(self, mask: masks.Mask) -> Annotation:
        """Return this annotation as a mask."""
        return replace(self, kind="mask", mask=mask, points=[])


@dataclass(frozen=True)
class Item:
    """An image with its annotations: tags first, then shapes by z_order."""

    id: str
    name: str
    number: int
    subset: str
    width: int
    height: int
    file: Path
    annotations: list[Annotation]


class Dataset:
    """The images of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.labels = snapshot.labels
        self._positions = {label.id: number for number, label in enumerate(snapshot.labels)}
        self._children: dict[int | None, dict[int, Label]] = {}
        for number, label in enumerate(snapshot.labels):
            self._children.setdefault(label.parent_id, {})[number] = label
        self._names = snapshot.names()
        self._attribute_names = {key: spec.name for key, spec in snapshot.attribute_by_id.items()}
        self.items = [item for task in snapshot.tasks for item in self._items(task, snapshot.subsets[task.id])]

    @cached_property
    def subsets(self) -> dict[str, list[Item]]:
        """The images by the name of their subset."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            found.setdefault(item.subset, []).append(item)
        return found

    @property
    def top_labels(self) -> dict[int, Label]:
        """The labels without a parent by their position."""
        return self._children.get(None, {})

    def children(self, position: int) -> dict[int, Label]:
        """Return the points of a skeleton by their position."""
        return self._children.get(self.labels[position].id, {})

    def parent_name(self, label: Label) -> str:
        """Return the name of the skeleton that a label belongs to, or nothing."""
        return "" if label.parent_id is None else self.labels[self._positions[label.parent_id]].name

    def _items(self, task: TaskContent, subset: str) -> list[Item]:
        shapes = shapes_by_frame(task)
        tags: dict[int, list[Annotation]] = {number: [] for number in task.frames}
        for tag in task.annotations["tags"]:
            if tag["frame"] in tags:
                tags[tag["frame"]].append(self._annotation("label", tag))
        return [
            self._item(self._names[task.id, number], frame, subset, tags[number], shapes[number])
            for number, frame in task.frames.items()
        ]

    def _item(self, name: str, frame: Frame, subset: str, tags: list[Annotation], shapes: list[Shape]) -> Item:
        found = tags + [self._shape(shape, frame) for shape in shapes if shape["type"] in KINDS]
        stem = posixpath.splitext(name)[0]
        return Item(stem, name, frame.id, subset, frame.width, frame.height, frame.file, found)

    def _annotation(self, kind: Kind, item: Shape) -> Annotation:
        return Annotation(kind, self._positions[item["label_id"]], self._attributes(item), item["group"] or 0,
                          origin=item)  # fmt: skip

    def _shape(self, shape: Shape, frame: Frame) -> Annotation:
        common = replace(self._annotation(KINDS[shape["type"]], shape), z_order=shape["z_order"])
        common.attributes["occluded"] = shape["occluded"]
        if common.kind in {"bbox", "ellipse"}:
            common.attributes["rotation"] = shape["rotation"]
        if "track_id" in shape:
            common.attributes.update(track_id=shape["track_id"], keyframe=shape["keyframe"])
        if common.kind == "mask":
            return common.with_mask(masks.from_rows(shape["points"], frame.height, frame.width))
        if common.kind == "skeleton":
            return self._skeleton(common, shape)
        points = _ellipse_box(shape["points"]) if common.kind == "ellipse" else shape["points"]
        return replace(common, points=_checked(common.kind, [round(float(value), 2) for value in points]))

    def _skeleton(self, common: Annotation, shape: Shape) -> Annotation:
        elements = tuple(self._element(element) for element in shape["elements"])
        common.attributes["keyframe"] = any(element.attributes.get("keyframe") for element in elements)
        return replace(common, elements=elements)

    def _element(self, element: Shape) -> Element:
        attributes = self._attributes(element)
        if "track_id" in element:
            attributes |= {"track_id": element["track_id"], "keyframe": element["keyframe"]}
        visibility = ABSENT if element["outside"] else HIDDEN if element["occluded"] else VISIBLE
        x, y = (round(float(value), 2) for value in element["points"])
        return Element(self._positions[element["label_id"]], x, y, visibility, attributes)

    def _attributes(self, item: Shape) -> dict[str, Any]:
        """Return the values of all attributes of a label in the order of its specs."""
        given = {self._attribute_names[a["spec_id"]]: a["value"] for a in item["attributes"]}
        found = {}
        for spec in self.labels[self._positions[item["label_id"]]].attributes:
            value = given.get(spec.name, spec.default_value)
            try:
                found[spec.name] = _converted(spec.input_type, value)
            except ValueError as error:
                raise WorkerError(f"Failed to convert attribute '{spec.name}'='{value}': {error}") from None
        return found


def _converted(input_type: str, value: str) -> Any:
    if input_type == "number":
        return float(value)
    return value.lower() == "true" if input_type == "checkbox" else value


def _ellipse_box(points: list[float]) -> list[float]:
    """Return the corners of the box of an ellipse, which CVAT saves as its centre, right x and top y."""
    x, y, right, top = points
    return [x - (right - x), top, right, y + (y - top)]


def _checked(kind: str, points: list[float]) -> list[float]:
    if kind == "polygon" and (len(points) % 2 or len(points) < 6):
        raise AssertionError(f"Wrong polygon points: {points}")
    return points
