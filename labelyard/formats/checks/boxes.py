"""Rules for the bbox and the area of an annotation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, item_name, rule, rule_for_each
from labelyard.formats.checks.shapes import smallest_area
from labelyard.formats.checks.values import (
    Document,
    abbreviated,
    image_of,
    images_by_id,
    is_box,
    is_number,
    size_of,
)

OUTSIDE = 1.0
"""Pixels by which a box may reach out of its image: tools round, and so do COCO's own files."""


@rule_for_each("annotations", Severity.ERROR, of_drawing=True)
def bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The bbox of an annotation is four numbers below a million.

    A missing or shorter one ends evaluation with an error; NaN and texts change AP in silence.
    """
    if not is_box(annotation.get("bbox")):
        yield f"its bbox is {abbreviated(annotation.get('bbox'))} instead of four numbers below a million"


@rule_for_each("annotations", Severity.ERROR, of_drawing=True)
def empty_bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The bbox of an annotation has a width and a height.

    torchvision stops the training at such a box; evaluation never matches it, in silence.
    """
    box = annotation.get("bbox")
    if is_box(box) and (box[2] <= 0 or box[3] <= 0):
        yield f"its bbox is {box[2]} x {box[3]} pixels: it is never matched"


@rule(Severity.WARNING, "annotations")
def bbox_outside_image(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The bbox of an annotation is inside its image; a pixel more is rounding.

    The part outside is learned and is never found: AP is wrong, in silence. Often the numbers are corners, or the
    sides of the image are swapped.
    """
    images = images_by_id(document)
    for annotation in document["annotations"]:
        box, size = annotation.get("bbox"), size_of(image_of(annotation, images))
        if size and is_box(box) and box[2] > 0 and box[3] > 0 and not is_inside(box, size):
            message = f"its bbox {abbreviated(box)} reaches out of the image of {size[0]} x {size[1]}"
            yield item_name("annotations", annotation), message


def is_inside(box: list[float] | tuple[float, ...], size: tuple[int, int]) -> bool:
    """Return whether a box (x, y, width, height) is inside an image (width, height), but for rounding."""
    x, y, width, height = box
    return x >= -OUTSIDE and y >= -OUTSIDE and x + width <= size[0] + OUTSIDE and y + height <= size[1] + OUTSIDE


@rule_for_each("annotations", Severity.ERROR)
def area(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is a number.

    pycocotools fails with a KeyError in the middle of the evaluation without it.
    """
    if not is_number(annotation.get("area")):
        yield f"its area is {abbreviated(annotation.get('area'))}, not a number"


@rule_for_each("annotations", Severity.WARNING)
def empty_area(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is more than 0.

    MMDetection leaves the object out, and evaluation counts it as a small one.
    """
    if is_number(annotation.get("area")) and annotation["area"] <= 0:
        yield f"its area is {annotation['area']}"


@rule_for_each("annotations", Severity.WARNING)
def area_larger_than_bbox(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is not larger than its bbox, apart from the pixels on its edge.

    Evaluation counts the object among those of another size.
    """
    box, value = annotation.get("bbox"), annotation.get("area")
    if is_box(box) and is_number(value) and value > largest_area(abs(box[2]), abs(box[3])):
        yield f"its area {value} is larger than its bbox"


def largest_area(width: float, height: float) -> float:
    """Return the largest area that tools write for a box of this size."""
    return width * height * 1.01 + 2 * (width + height) + 4


@rule_for_each("annotations", Severity.WARNING)
def area_smaller_than_shape(annotation: dict[str, Any]) -> Iterator[str]:
    """The area of an annotation is not far smaller than its outlines, its mask, or its bbox if it has neither.

    Evaluation counts the object among those of another size. Tools measure differently: less than half is a fault.
    """
    value, least = annotation.get("area"), smallest_area(annotation)
    if is_number(value) and 0 < value < least:
        yield f"its area {value} is less than half of its shape's"
