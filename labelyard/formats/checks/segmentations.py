"""Rules for the segmentations of a COCO document: outlines and run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, item_name, rule, rule_for_each
from labelyard.formats.checks.values import (
    Document,
    abbreviated,
    image_of,
    images_by_id,
    is_coordinate,
    is_whole_number,
    size_of,
)


@rule_for_each("annotations", Severity.ERROR)
def segmentation(annotation: dict[str, Any]) -> Iterator[str]:
    """The segmentation of an annotation is a list of outlines, empty for a box, or run lengths."""
    if not isinstance(value := annotation.get("segmentation"), dict | list):
        yield f"its segmentation is {abbreviated(value)}: neither outlines nor run lengths"


@rule_for_each("annotations", Severity.ERROR)
def outline(annotation: dict[str, Any]) -> Iterator[str]:
    """An outline is a list of at least three points: x and y in turn, each a number below a million."""
    value = annotation.get("segmentation")
    for points in value if isinstance(value, list) else ():
        yield from _outline_faults(points)


def _outline_faults(points: Any) -> Iterator[str]:
    if not isinstance(points, list):
        yield "its segmentation is a flat list; outlines are lists inside it"
    elif len(points) < 6 or len(points) % 2:
        # pycocotools reads four numbers as a box, and silently drops an odd last one.
        yield f"an outline of its segmentation has {len(points)} numbers: at least 6, in pairs"
    elif not all(map(is_coordinate, points)):
        yield "its segmentation has a coordinate that is not a number below a million"


@rule_for_each("annotations", Severity.ERROR)
def run_lengths(annotation: dict[str, Any]) -> Iterator[str]:
    """Run lengths are whole numbers that add up to the size of their mask."""
    value = annotation.get("segmentation")
    if isinstance(value, dict):
        yield from _run_length_faults(value.get("counts"), value.get("size"))


def _run_length_faults(counts: Any, size: Any) -> Iterator[str]:
    if not _is_mask_size(size):
        yield f"the size of its run lengths is {abbreviated(size)}"
    elif not isinstance(counts, list) or not all(map(is_whole_number, counts)):
        yield "its run lengths are not a list of whole numbers"
    elif sum(counts) != size[0] * size[1]:
        # With too few of them pycocotools decodes memory that was never written.
        yield f"its run lengths add up to {sum(counts)} instead of {size[0] * size[1]}"


def _is_mask_size(size: Any) -> TypeGuard[list[int]]:
    return isinstance(size, list) and len(size) == 2 and all(is_whole_number(side) and side > 0 for side in size)


@rule(Severity.ERROR)
def mask_size(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """Run lengths are for the size of the annotation's image."""
    images = images_by_id(document)
    for annotation in document["annotations"]:
        value, size = annotation.get("segmentation"), size_of(image_of(annotation, images))
        mask = value.get("size") if isinstance(value, dict) else None
        if size and _is_mask_size(mask) and (mask[1], mask[0]) != size:
            message = f"its run lengths are for {mask[1]} x {mask[0]}, the image has {size[0]} x {size[1]}"
            yield item_name("annotations", annotation), message
