"""Rules for the keypoints of annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, item_name, rule
from labelyard.formats.checks.values import Document, abbreviated, are_coordinates, categories_by_id, is_whole_number

_VISIBILITIES = (0, 1, 2)


@rule(Severity.ERROR, "annotations", of_drawing=True)
def keypoints(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The keypoints of an annotation are triples of x, y and 0, 1 or 2, as many as its category names.

    Evaluation of keypoints fails on another number of them, and readers take other values for a point that is seen.
    """
    categories = categories_by_id(document)
    for annotation in document["annotations"]:
        if annotation.get("keypoints") is not None:
            message = keypoints_fault(annotation["keypoints"], _names(annotation, categories))
            if message:
                yield item_name("annotations", annotation), message


def _names(annotation: dict[str, Any], categories: dict[int, dict[str, Any]]) -> int | None:
    """Return how many keypoints the category of an annotation names; None if it names none."""
    number = annotation.get("category_id")
    found = categories.get(number) if is_whole_number(number) else None
    return named_keypoints(found) if found else None


def named_keypoints(category: dict[str, Any]) -> int | None:
    """Return how many keypoints a category names; None if it names none."""
    names = category.get("keypoints")
    return len(names) if isinstance(names, list) and names else None


def keypoints_fault(values: Any, names: int | None) -> str | None:
    """Return what is wrong with keypoints of a category with so many names; None if nothing is."""
    if not isinstance(values, list | tuple) or not are_coordinates(values):
        return f"its keypoints are {abbreviated(values)}, no list of numbers below a million"
    if len(values) % 3 or (names is not None and len(values) != 3 * names):
        wanted = "triples" if names is None else f"{3 * names}, as its category has {names} keypoints"
        return f"its keypoints are {len(values)} numbers instead of {wanted}"
    if any(seen not in _VISIBILITIES for seen in values[2::3]):
        return "one of its keypoints has a visibility other than 0, 1 and 2"
    return None


@rule(Severity.WARNING, "annotations")
def num_keypoints(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The num_keypoints of an annotation is the number of its keypoints with a visibility above 0.

    Evaluation of keypoints ignores the objects with 0, and fails with a KeyError without it.
    """
    for annotation in document["annotations"]:
        values = annotation.get("keypoints")
        if values is None or keypoints_fault(values, None):
            continue
        given, found = annotation.get("num_keypoints"), visible(values)
        if type(given) is not int or given != found:
            message = f"its num_keypoints is {abbreviated(given)}, and {found} of its keypoints are visible"
            yield item_name("annotations", annotation), message


def visible(values: Sequence[float]) -> int:
    """Return the number of keypoints that are in the picture."""
    return sum(seen > 0 for seen in values[2::3])
