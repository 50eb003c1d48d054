"""A model's predictions as objects on the frames of a task; any bytes may be given.

What fits the dataset is returned; what does not is counted with its reason, and stops nothing else.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from labelyard.annotations.attributes import allowed, typed
from labelyard.annotations.content import FrameObject, Kind, Value
from labelyard.annotations.faults import fault_of
from labelyard.annotations.outlines import extent
from labelyard.annotations.shapes import text_of
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.objects import base_name
from labelyard.formats.checks import CHECKS
from labelyard.formats.checks.rule import item_name
from labelyard.formats.checks.run_lengths import run_counts
from labelyard.formats.checks.values import abbreviated
from labelyard.formats.coco.read import objects_of
from labelyard.formats.coco.write import category
from labelyard.formats.prediction_items import Item, ItemCategory, ItemFile, ItemImage, decoded, plain, read_items

SCORE = "score"
"""The attribute of a label that gets the score of a prediction."""

_MOST_REASONS = 5
# Predictions need neither ids nor areas of their own.
_RULES = [
    one for one in CHECKS.values() if one.part == "annotations" and not {"id", "area"} & {*one.name.split("-")}
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TargetImage:
    """An image of the task: its frame, its key, its size in pixels, and the id that it has in a request."""

    frame: int
    key: str
    width: int
    height: int
    number: int


@dataclass(frozen=True, slots=True)
class Targets:
    """What predictions may be about: images, the server's labels by name, ids of labels in a request, and kinds."""

    images: Sequence[TargetImage]
    labels: Mapping[str, Label]
    category_ids: Mapping[str, int]
    kinds: Collection[Kind] = frozenset(Kind)


@dataclass
class LeftOutPredictions:
    """Why predictions are left out, and how often; each reason with one example."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Count one."""
        self.counts[reason] += 1
        self.examples.setdefault(reason, where)

    def warning(self) -> str | None:
        """Return the reasons in one line, the most frequent first; None without any."""
        if not self.counts:
            return None
        shown = [f"{count}: {why} ({self.examples[why]})" for why, count in self.counts.most_common(_MOST_REASONS)]
        more = len(self.counts) - len(shown)
        rest = f"; and {more} more reasons" if more else ""
        return f"{self.counts.total()} predictions are left out: {'; '.join(shown)}{rest}"


def read_predictions(
    path: Path, targets: Targets, left_out: LeftOutPredictions, where: str, folder: str | None = None
) -> list[FrameObject]:
    """Return the objects of a COCO file, or of a list of results for the ids of a request; the source is "auto".

    File names mean keys: with `folder`, below this prefix; else also the end of one key alone. Images that the task
    does not have are passed over. `where` names the file in warnings. Raises NoPredictions for any other file.
    """
    file = read_items(path, where)
    images = _images_of_request(targets) if file.is_list else _images_of_file(file, targets, folder)
    labels = _labels_of_request(targets) if file.is_list else _labels_of_file(file)
    reader = _Reader(targets, images, labels)
    placed: list[_Placed] = []
    for number, raw in enumerate(file.annotations, 1):
        found = reader.placed(number, decoded(raw, Item))
        if isinstance(found, str):
            left_out.add(found, f"number {number} of {where}")
        elif found is not None:
            placed.append(found)
    faults, copies = _faults(placed, targets), _copies(targets.images)
    objects: list[FrameObject] = []
    for one in placed:
        made = faults.get(one.number) or reader.objects(one)
        if isinstance(made, str):
            left_out.add(made, f"number {one.number} of {where}")
        else:
            objects += made
            if not file.is_list:
                objects += [replace(shape, frame=copy) for copy in copies[one.image.frame] for shape in made]
    return objects


def _copies(images: Sequence[TargetImage]) -> Mapping[int, Sequence[int]]:
    """Return the other frames of each frame's key. Honeypots are such: they must look like any other frame."""
    of_keys: dict[str, list[int]] = defaultdict(list)
    for image in images:
        of_keys[image.key].append(image.frame)
    return {image.frame: [one for one in of_keys[image.key] if one != image.frame] for image in images}


# --- images and labels ------------------------------------------------------------------------------------------------

_Images = Mapping[int, TargetImage | str | None]
"""By the id in the file: the image, why it cannot be used, or None for one that the task does not have."""


def _images_of_request(targets: Targets) -> _Images:
    return {image.number: image for image in targets.images}


def _images_of_file(file: ItemFile, targets: Targets, folder: str | None) -> _Images:
    find = _finder(targets.images, folder)
    found: dict[int, TargetImage | str | None] = {}
    for raw in file.images:
        image = decoded(raw, ItemImage)
        if not isinstance(image, str):
            target = find(image.file_name)
            found[image.id] = _of_same_size(image, target) if isinstance(target, TargetImage) else target
    return found


def _finder(images: Sequence[TargetImage], folder: str | None) -> Callable[[str], TargetImage | str | None]:
    by_key: dict[str, list[TargetImage]] = defaultdict(list)
    by_name: dict[str, list[TargetImage]] = defaultdict(list)
    for image in images:
        by_key[image.key].append(image)
        by_name[base_name(image.key)].append(image)

    def find(name: str) -> TargetImage | str | None:
        found = by_key.get(name) or by_key.get(f"{folder or ''}{name}")
        if found is None and folder is None:
            found = [one for one in by_name.get(base_name(name), ()) if one.key.endswith(f"/{name}")]
        if found and len({one.key for one in found}) > 1:
            return f"several images of the batch are called {abbreviated(name)}"
        return found[0] if found else None

    return find


def _of_same_size(image: ItemImage, target: TargetImage) -> TargetImage | str:
    given = (image.width or target.width, image.height or target.height)
    if given == (target.width, target.height):
        return target
    return (
        f"they are for an image of {given[0]} x {given[1]} pixels, and {abbreviated(image.file_name)} has "
        f"{target.width} x {target.height}"
    )


def _labels_of_request(targets: Targets) -> Mapping[int, str]:
    return {number: name for name, number in targets.category_ids.items()}


def _labels_of_file(file: ItemFile) -> Mapping[int, str]:
    categories = (decoded(raw, ItemCategory) for raw in file.categories)
    return {one.id: one.name for one in categories if not isinstance(one, str)}


# --- objects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Placed:
    """A prediction with its image and label; `fields` are those of a COCO annotation."""

    number: int
    image: TargetImage
    label: Label
    item: Item
    fields: dict[str, Any]


class _Reader:
    def __init__(self, targets: Targets, images: _Images, labels: Mapping[int, str]) -> None:
        self._targets, self._images, self._names = targets, images, labels
        self._groups: Counter[int] = Counter()

    def placed(self, number: int, item: Item | str) -> _Placed | str | None:
        """Return a prediction with its image and label, why it has none, or None if its image is another task's."""
        if isinstance(item, str):
            return f"it is no prediction: {abbreviated(item)}"
        image = self._images.get(item.image_id, f"there is no image with the id {item.image_id}")
        if not isinstance(image, TargetImage):
            return image
        label = self._label(item)
        if isinstance(label, str):
            return label
        if item.score is not None and not 0 <= item.score <= 1:
            return "the score is not between 0 and 1"
        return _Placed(number, image, label, item, _fields(item, label))

    def _label(self, item: Item) -> Label | str:
        name = item.label if item.label is not None else self._names.get(item.category_id or 0)
        if name is None:
            return f"there is no category with the id {item.category_id}"
        label = self._targets.labels.get(unicodedata.normalize("NFC", name))
        return label or f"the dataset has no label {abbreviated(name)}"

    def objects(self, one: _Placed) -> list[FrameObject] | str:
        """Return the objects of a prediction without faults, or why there are none."""
        fields, size = one.fields, (one.image.width, one.image.height)
        if isinstance(mask := fields.get("segmentation"), dict):
            fields["segmentation"] = {"counts": run_counts(mask["counts"], mask["size"]), "size": mask["size"]}
        found = objects_of(fields, one.image.frame, one.label)
        attributes, labels = self._attributes(one), {one.label.name: one.label}
        group = self._next_group(one.image.frame) if len(found) > 1 else 0
        objects = [
            replace(
                _clipped(shape, *size), attributes=attributes, source="auto", score=one.item.score, group=group
            )
            for shape in found
        ]  # fmt: skip
        for shape in objects:
            if shape.kind not in self._targets.kinds:
                return f"this CVAT has no shapes of the kind {shape.kind}"
            if one.label.type not in ("any", shape.kind):
                return f"the label {one.label.name!r} is for {one.label.type} alone, and it is a {shape.kind}"
            if fault := fault_of(shape, labels, size):
                return fault
        return objects

    def _next_group(self, frame: int) -> int:
        """Return a group for several outlines of one object: exports make one annotation of them again."""
        self._groups[frame] += 1
        return self._groups[frame]

    def _attributes(self, one: _Placed) -> dict[str, Value]:
        specs = {spec.name: spec for spec in one.label.attributes}
        given = {name: value for name, value in one.item.attributes.items() if name in specs}
        found = {name: typed(specs[name], text_of(value)) for name, value in given.items()}
        if one.item.score is not None and SCORE in specs:
            score = score_value(specs[SCORE], one.item.score)
            found |= {SCORE: score} if allowed(specs[SCORE], score) else {}
        return found


def score_value(spec: AttributeSpec, score: float) -> Value:
    """Return a score as the value of an attribute: in percent where its numbers go beyond 1."""
    if spec.input_type is InputType.NUMBER:
        highest = typed(spec, spec.values[1]) if len(spec.values) > 1 else 1
        if not isinstance(highest, str) and highest > 1:
            return round(100 * score)
    return typed(spec, f"{score:.6g}")


def _fields(item: Item, label: Label) -> dict[str, Any]:
    fields = plain(item)
    if not label.sublabels:
        fields = {name: value for name, value in fields.items() if "keypoints" not in name}
    if label.type == Kind.RECTANGLE and item.bbox is not None:
        fields.pop("segmentation", None)
    outlines = fields.get("segmentation")
    if item.bbox is None and isinstance(outlines, list):
        points = [value for outline in outlines for value in outline[: len(outline) // 2 * 2]]
        if points:
            left, top, right, bottom = extent(points)
            fields["bbox"] = [left, top, right - left, bottom - top]
    elif item.bbox is None and isinstance(outlines, dict):
        fields["bbox"] = [0, 0, *reversed(outlines["size"][:2])]  # the mask itself says where it is
    return fields


def _faults(placed: Sequence[_Placed], targets: Targets) -> dict[int, str]:
    """Return what the checks of COCO files find, by the number of the prediction."""
    numbers = {name: number for number, name in enumerate(targets.labels, 1)}
    document: dict[str, Any] = {
        "images": [
            {"id": one.frame + 1, "file_name": one.key, "width": one.width, "height": one.height}
            for one in targets.images
        ],
        "categories": [category(label, numbers[name]) for name, label in targets.labels.items()],
        "annotations": [
            one.fields
            | {"id": one.number, "image_id": one.image.frame + 1, "category_id": numbers[one.label.name]}
            | ({"score": one.item.score} if one.item.score is not None else {})
            for one in placed
        ],
    }
    by_name = {item_name("annotations", item): item["id"] for item in document["annotations"]}
    found: dict[int, str] = {}
    for name, message in _violations(document):
        found.setdefault(by_name[name], message)
    return found


def _violations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in _RULES:
        yield from rule.find(document, None)


def _clipped(one: FrameObject, width: int, height: int) -> FrameObject:
    """Return an object without what reaches out of its image by a part of a pixel: models round."""
    if one.kind not in (Kind.RECTANGLE, Kind.POLYGON):
        return one
    inside = partial(_between, width, height)
    return replace(one, points=tuple(inside(index, value) for index, value in enumerate(one.points)))


def _between(width: int, height: int, index: int, value: float) -> float:
    return float(min(max(value, 0), height if index % 2 else width))
