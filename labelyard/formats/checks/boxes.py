"""Rules for the bbox and the area of an annotation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, item_name, rule, rule_for_each
from labelyard.formats.checks.values import (
    Document,
    abbreviated,
    image_of,
    images_by_id,
    is_box,
    is_number,
    size_of,
)


@rule_for_each("annotations", Severity.ERROR)
def bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The bbox of an annotation is four numbers below a million."""
    if not is_box(annotation.get("bbox")):
        yield f"its bbox is {abbreviated(annotation.get('bbox'))} instead of four numbers below a million"


@rule_for_each("annotations", Severity.WARNING)
def empty_bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The bbox of an annotation has a width and a height: an empty one is never matched."""
    box = annotation.get("bbox")
    if is_box(box) and (box[2] <= 0 or box[3] <= 0):
        yield f"its bbox is {box[2]} x {box[3]} pixels: it is never matched"


@rule(Severity.WARNING)
def bbox_outside_image(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The bbox of an annotation is inside its image."""
    images = images_by_id(document)
    for annotation in document["annotations"]:
        box, size = annotation.get("bbox"), size_of(image_of(annotation, images))
        if size and is_box(box) and box[2] > 0 and box[3] > 0 and not _is_inside(box, size):
            message = f"its bbox {abbreviated(box)} reaches out of the image of {size[0]} x {size[1]}"
            yield item_name("annotations", annotation), message


def _is_inside(box: list[float], size: tuple[int, int]) -> bool:
    x, y, width, height = box
    return x >= 0 and y >= 0 and x + width <= size[0] and y + height <= size[1]


@rule_for_each("annotations", Severity.ERROR)
def area(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is a number."""
    if not is_number(annotation.get("area")):
        yield f"its area is {abbreviated(annotation.get('area'))}, not a number"


@rule_for_each("annotations", Severity.WARNING)
def empty_area(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is more than 0."""
    if is_number(annotation.get("area")) and annotation["area"] <= 0:
        yield f"its area is {annotation['area']}"


@rule_for_each("annotations", Severity.WARNING)
def area_larger_than_bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is not larger than its bbox, apart from the pixels on its edge."""
    box, value = annotation.get("bbox"), annotation.get("area")
    if is_box(box) and is_number(value):
        width, height = abs(box[2]), abs(box[3])
        if value > width * height * 1.01 + 2 * (width + height) + 4:
            yield f"its area {value} is larger than its bbox"
