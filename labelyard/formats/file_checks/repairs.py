"""Repairs of faults where only one value can be meant, or where no reader looks at the old one.

A repair is a function that gives the fields of one item other values (it changes none in place) and returns whether it
did. Its docstring says what it does. What
is ambiguous, such as run lengths that add up to too little, is left to a person.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from labelyard.formats.checks.boxes import largest_area
from labelyard.formats.checks.keypoints import keypoints_fault, visible
from labelyard.formats.checks.shapes import shape_box, smallest_area, summed_area
from labelyard.formats.checks.structure import FIELDS_WITH_RULES
from labelyard.formats.checks.values import (
    Document,
    are_coordinates,
    is_box,
    is_number,
    is_whole_number,
    whole_number,
)

Item = dict[str, Any]

Repair = Callable[[Item], bool]


def _to_whole_number(item: Item, field: str) -> bool:
    found = whole_number(item.get(field))
    if found is None or is_whole_number(item[field]):
        return False
    item[field] = found
    return True


def _id(item: Item) -> bool:
    """An id that is the text of a whole number becomes the number."""
    return _to_whole_number(item, "id")


def _image_id(annotation: Item) -> bool:
    """An image_id that is the text of a whole number becomes the number."""
    return _to_whole_number(annotation, "image_id")


def _category_id(annotation: Item) -> bool:
    """A category_id that is the text of a whole number becomes the number."""
    return _to_whole_number(annotation, "category_id")


def without_non_finite(item: Item, part: str = "") -> bool:
    """Replace NaN and infinite numbers by None; return whether there were any.

    Those of boxes and outlines stay: null would be no better there.
    """
    changed = False
    values: list[Any] = [item]
    while values:
        found = values.pop()
        for key, value in list(found.items() if isinstance(found, dict) else enumerate(found)):
            if found is item and key in FIELDS_WITH_RULES.get(part, ()):
                continue
            if isinstance(value, dict | list):
                values.append(value)
            elif isinstance(value, float) and not math.isfinite(value):
                found[key], changed = None, True
    return changed


def _segmentation(annotation: Item) -> bool:
    """A segmentation of null is left out."""
    if "segmentation" in annotation and annotation["segmentation"] is None:
        del annotation["segmentation"]
        return True
    return False


def _outline(annotation: Item) -> bool:
    """A flat list becomes an outline, and outlines of less than three points, which cover nothing, are left out."""
    value = annotation.get("segmentation")
    if not isinstance(value, list) or not value:
        return False
    if len(value) >= 6 and not len(value) % 2 and are_coordinates(value):
        annotation["segmentation"] = [value]
        return True
    kept = [one for one in value if not isinstance(one, list) or len(one) not in (0, 2, 4)]
    annotation["segmentation"] = kept
    return len(kept) < len(value)


def _bbox(annotation: Item) -> bool:
    """A missing or faulty bbox becomes that of the segmentation; texts become numbers, a negative side is turned."""
    box = annotation.get("bbox")
    if isinstance(box, list) and len(box) == 4 and any(isinstance(side, str) for side in box):
        box = [_number(side) for side in box]
    if is_box(box) and (box[2] < 0 or box[3] < 0):
        x, y, width, height = box
        box = [min(x, x + width), min(y, y + height), abs(width), abs(height)]
    if not is_box(box) or not box[2] or not box[3]:
        box = shape_box(annotation.get("segmentation")) or box
    changed = is_box(box) and box is not annotation.get("bbox")
    if changed:
        annotation["bbox"] = box
    return changed


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) and value.isascii() else value
    except ValueError:
        return value


def _iscrowd(annotation: Item) -> bool:
    """A missing iscrowd becomes 0; true and false become 1 and 0."""
    value = annotation.get("iscrowd")
    if value is not None and not (isinstance(value, bool | float) and value in (0, 1)):
        return False
    annotation["iscrowd"] = int(value or 0)
    return True


def _area(annotation: Item) -> bool:
    """A missing or wrong area becomes that of the outlines or the mask, or of the bbox if there is neither."""
    value, box = annotation.get("area"), annotation.get("bbox")
    largest = largest_area(abs(box[2]), abs(box[3])) if is_box(box) else math.inf
    if is_number(value) and value > 0 and smallest_area(annotation) <= value <= largest:
        return False
    shape = annotation.get("segmentation")
    found = summed_area(shape) if shape else box[2] * box[3] if is_box(box) else 0
    if found > 0:
        annotation["area"] = found
    return found > 0


def _num_keypoints(annotation: Item) -> bool:
    """num_keypoints is counted."""
    values = annotation.get("keypoints")
    if values is None or keypoints_fault(values, None) or annotation.get("num_keypoints") == visible(values):
        return False
    annotation["num_keypoints"] = visible(values)
    return True


REPAIRS: dict[str, tuple[str, Repair]] = {
    "image-id": ("images", _id),
    "category": ("categories", _id),
    "annotation-image": ("annotations", _image_id),
    "annotation-category": ("annotations", _category_id),
    "segmentation": ("annotations", _segmentation),
    "outline": ("annotations", _outline),
    "bbox": ("annotations", _bbox),
    "empty-bbox": ("annotations", _bbox),
    "iscrowd": ("annotations", _iscrowd),
    "area": ("annotations", _area),
    "empty-area": ("annotations", _area),
    "area-larger-than-bbox": ("annotations", _area),
    "area-smaller-than-shape": ("annotations", _area),
    "num-keypoints": ("annotations", _num_keypoints),
}
"""The repairs of rules that judge an item by itself -> the part, and the repair of an item."""

WHOLE_REPAIRS = {
    "annotation-id": "An annotation without a valid id gets a new one: nothing else in the file refers to it.",
    "duplicate-annotation-id": "All but the first get new ids: nothing else in the file refers to them.",
    "duplicate-annotation": "All but the first are left out.",
    "encoding": "The file is written as UTF-8.",
    "non-finite": "NaN and Infinity become null.",
}
"""The repairs that need the whole file -> what they do."""

_REFERRED = {"annotation-image": "image-id", "annotation-category": "category"}
"""References are right only once the ids are."""


def repair(document: Document, names: Sequence[str]) -> Counter[str]:
    """Repair the faults of these rules in the items of a document; return how many items each repair has changed."""
    changed: Counter[str] = Counter()
    needed = {*names, *(_REFERRED[name] for name in names if name in _REFERRED)}
    for name, (part, change) in REPAIRS.items():
        if name in needed:
            changed[name] += sum(map(change, document[part]))
    return +changed


def is_fixable(name: str) -> bool:
    """Return whether a repair removes every fault of a rule."""
    return name in WHOLE_REPAIRS


def description(name: str) -> str:
    """Return what the repair of a rule does; nothing if there is none."""
    if name in WHOLE_REPAIRS:
        return WHOLE_REPAIRS[name]
    return " ".join((REPAIRS[name][1].__doc__ or "").split()) if name in REPAIRS else ""
