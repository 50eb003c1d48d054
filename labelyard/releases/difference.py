"""What differs between two releases. Ids are stable, so that sets of ids say it."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Raw, Struct

from labelyard.annotations.corrections import iou
from labelyard.errors import InputError
from labelyard.releases.ids import IdArray, among, key_of
from labelyard.releases.lines import fields, items
from labelyard.releases.manifest import ANNOTATIONS

_EXAMPLES = 10
_Box = Sequence[float] | None


class ReleasedItem(Struct):
    """An annotation, or an item of an extra file, in a release. `bbox` is x, y, width, height in pixels."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float] | None = None


@dataclass(frozen=True, slots=True)
class ItemChanges:
    """How many items were added, removed and changed."""

    added: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True)
class ImageChanges(ItemChanges):
    """How many images were added, removed, changed, and moved to another split."""

    moved: int


@dataclass(frozen=True, slots=True)
class LabelChanges:
    """The names of the labels that were added, removed and changed."""

    added: list[str]
    removed: list[str]
    changed: list[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What `changes.json` of a release says."""

    images: ImageChanges
    annotations: ItemChanges
    labels: LabelChanges
    by_label: dict[str, ItemChanges]
    """The annotations of each label."""
    examples: dict[str, list[str]]
    """The first file names of images that were added, removed, changed or moved."""


@dataclass(slots=True)
class Difference:
    """What one release has and another one has not.

    `images` and `by_label` (annotations) count by added, removed, changed and, of images, moved to another split.
    `labels` has names, `examples` the first file names of images.
    """

    images: Counter[str] = field(default_factory=Counter)
    by_label: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    labels: dict[str, list[str]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def annotations(self) -> Counter[str]:
        """The annotations of all labels."""
        return sum(self.by_label.values(), Counter[str]())

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.images.total() or self.annotations.total() or any(self.labels.values()))

    @property
    def changes(self) -> Changes:
        """What `changes.json` says about it."""
        kinds = ("added", "removed", "changed")
        by_label = sorted(self.by_label.items())
        return Changes(
            images=ImageChanges(*(self.images[kind] for kind in (*kinds, "moved"))),
            annotations=ItemChanges(*(self.annotations[kind] for kind in kinds)),
            labels=LabelChanges(*(self.labels.get(kind, []) for kind in kinds)),
            by_label={name: ItemChanges(*(counts[kind] for kind in kinds)) for name, counts in by_label},
            examples={kind: self.examples[kind] for kind in sorted(self.examples)},
        )

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self.changes)

    def text(self) -> str:
        """Return the text of `changes.json`, ASCII."""
        return json.dumps(self.document(), indent=1) + "\n"


def everything_added(images: int, labels: Mapping[str, int], names: Iterable[str]) -> Difference:
    """Return the difference between nothing and a release: its images, its items by label, all its labels."""
    by_label = {name: Counter(added=count) for name, count in labels.items()}
    return Difference(Counter(added=images), by_label, {"added": sorted(names)})


def compare(old: Path, new: Path) -> Difference:
    """Return what differs from the old release to the new one, given their folders.

    An annotation is changed if one is removed and one added on the same image, with the same label and overlapping
    boxes, or both without one. Raises InputError for files that no release has.
    """
    sides = _Side(old), _Side(new)
    difference = Difference()
    try:
        _compare_images(*sides, difference)
        _compare_labels(*sides, difference)
        _compare_items(*sides, difference)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"files that no release has: {error}", where=f"{old} or {new}") from error
    return difference


class _Image(Struct):
    id: int
    file_name: str


class _Side:
    """A release to be compared."""

    def __init__(self, folder: Path) -> None:
        self._instances = sorted((folder / ANNOTATIONS).glob("instances_*.json"))
        self._files = [*self._instances, *sorted((folder / ANNOTATIONS).glob("extra_*.json"))]

    def images(self) -> Iterator[tuple[int, str, str, int]]:
        """Yield id, file name, split and a key of the fields of each image, without the id of its licence."""
        decode, own_fields = msgspec.json.Decoder(_Image).decode, msgspec.json.Decoder(dict[str, Raw]).decode
        for path in self._instances:
            split = path.stem.removeprefix("instances_")
            for part, item in items(path):
                if part != "images":
                    break
                image, own = decode(item), own_fields(item)
                own.pop("license", None)
                yield image.id, image.file_name, split, key_of(msgspec.json.encode(own))

    def items(self) -> Iterator[tuple[str, ReleasedItem]]:
        """Yield the label and the item of each annotation, also of extra files."""
        decode = msgspec.json.Decoder(ReleasedItem).decode
        for path in self._files:
            names = {one["id"]: one["name"] for one in fields(path)["categories"]}
            for part, item in items(path):
                if part != "images":
                    found = decode(item)
                    yield names[found.category_id], found

    def labels(self) -> dict[str, dict[str, Any]]:
        """Return the categories by name."""
        return {one["name"]: one for path in self._files for one in fields(path)["categories"]}


def _compare_images(old: _Side, new: _Side, difference: Difference) -> None:
    splits: dict[str, int] = {}
    columns = []
    for side in (old, new):
        ids, keys, numbers = array("q"), array("Q"), array("h")
        for number, _, split, key in side.images():
            ids.append(number)
            keys.append(key)
            numbers.append(splits.setdefault(split, len(splits)))
        columns.append((_array(ids, np.int64), _array(keys, np.uint64), _array(numbers, np.int16)))
    (old_ids, old_keys, old_splits), (new_ids, new_keys, new_splits) = columns
    kept, removed = among(new_ids, old_ids), ~among(old_ids, new_ids)
    order = np.argsort(old_ids)
    positions = order[np.searchsorted(old_ids, new_ids[kept], sorter=order)]
    changed, moved = np.zeros(new_ids.size, np.bool_), np.zeros(new_ids.size, np.bool_)
    changed[kept] = old_keys[positions] != new_keys[kept]
    moved[kept] = old_splits[positions] != new_splits[kept]
    for side, masks in ((old, {"removed": removed}), (new, {"added": ~kept, "changed": changed, "moved": moved})):
        for kind, mask in masks.items():
            difference.images[kind] = int(mask.sum())
            if mask.any():
                names = (name for (_, name, _, _), wanted in zip(side.images(), mask, strict=True) if wanted)
                difference.examples[kind] = [name for name, _ in zip(names, range(_EXAMPLES), strict=False)]


def _compare_labels(old: _Side, new: _Side, difference: Difference) -> None:
    before, after = old.labels(), new.labels()
    difference.labels = {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }


def _compare_items(old: _Side, new: _Side, difference: Difference) -> None:
    ids = [_array(array("q", (item.id for _, item in side.items())), np.int64) for side in (old, new)]
    removed, added = ~among(ids[0], ids[1]), ~among(ids[1], ids[0])
    both = np.intersect1d(_images_of(old, removed), _images_of(new, added))
    found = [_Candidates(both, set(map(int, both))) for _ in (old, new)]
    for side, mask, kind, candidates in zip((old, new), (removed, added), ("removed", "added"), found, strict=True):
        for label, item in _wanted(side, mask):
            difference.by_label[label][kind] += 1
            candidates.add(label, item)
    for (image, label), boxes in found[0].boxes.items():
        pairs = _pairs(boxes, found[1].boxes.get((image, label), []))
        counts = difference.by_label[label]
        counts["changed"] += pairs
        counts["removed"] -= pairs
        counts["added"] -= pairs


@dataclass(slots=True)
class _Candidates:
    """The boxes of items on images where something is removed and something is added, by image and label."""

    images: IdArray
    wanted: set[int]
    boxes: dict[tuple[int, str], list[_Box]] = field(default_factory=lambda: defaultdict(list))

    def add(self, label: str, item: ReleasedItem) -> None:
        if item.image_id in self.wanted:
            self.boxes[item.image_id, label].append(item.bbox)


def _wanted(side: _Side, mask: npt.NDArray[np.bool_]) -> Iterator[tuple[str, ReleasedItem]]:
    if mask.any():
        yield from (found for found, wanted in zip(side.items(), mask, strict=True) if wanted)


def _images_of(side: _Side, mask: npt.NDArray[np.bool_]) -> IdArray:
    return np.unique(_array(array("q", (item.image_id for _, item in _wanted(side, mask))), np.int64))


def _pairs(removed: Sequence[_Box], added: Sequence[_Box]) -> int:
    """Return how many boxes were changed: those that overlap most are pairs first."""
    overlaps = sorted(
        (
            (_overlap(one, two), position, other)
            for position, one in enumerate(removed)
            for other, two in enumerate(added)
        ),
        key=lambda found: (-found[0], *found[1:]),
    )
    left, right = set(range(len(removed))), set(range(len(added)))
    for overlap, position, other in overlaps:
        if overlap > 0 and position in left and other in right:
            left.remove(position)
            right.remove(other)
    return len(removed) - len(left)


def _overlap(one: _Box, two: _Box) -> float:
    """Return the intersection over union of two boxes; 1 if both are missing."""
    if one is None or two is None:
        return float(one is two)
    return iou(_corners(one), _corners(two))


def _corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def _array(values: array[int], kind: type[np.generic]) -> Any:
    return np.frombuffer(values, kind) if values else np.zeros(0, kind)
