"""Rules for the segmentations of a COCO document: outlines and run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, item_name, rule, rule_for_each
from labelyard.formats.checks.run_lengths import is_mask_size, run_counts
from labelyard.formats.checks.values import (
    Document,
    abbreviated,
    are_coordinates,
    image_of,
    images_by_id,
    size_of,
)


@rule_for_each("annotations", Severity.ERROR)
def segmentation(annotation: dict[str, Any]) -> Iterator[str]:
    """The segmentation of an annotation is a list of outlines, empty for a box, or run lengths; a box may have none.

    Readers of masks fail on anything else with a TypeError, and datumaro refuses the file.
    """
    if "segmentation" in annotation and not isinstance(annotation["segmentation"], dict | list):
        yield f"its segmentation is {abbreviated(annotation['segmentation'])}: neither outlines nor run lengths"


@rule_for_each("annotations", Severity.ERROR, of_drawing=True)
def outline(annotation: dict[str, Any]) -> Iterator[str]:
    """An outline is a list of at least three points: x and y in turn, each a number below a million.

    pycocotools crashes, never returns or runs out of memory on NaN, infinite and large coordinates; it fails on an
    empty or flat list, takes four numbers for a box, and drops the last of an odd number in silence.
    """
    value = annotation.get("segmentation")
    for points in value if isinstance(value, list) else ():
        if not isinstance(points, list):
            yield "its segmentation is a flat list; outlines are lists inside it"
            return
        yield from _outline_faults(points)


def _outline_faults(points: list[Any]) -> Iterator[str]:
    if len(points) < 6 or len(points) % 2:
        yield f"an outline of its segmentation has {len(points)} numbers: at least 6, in pairs"
    elif not are_coordinates(points):
        yield "its segmentation has a coordinate that is not a number below a million"


@rule_for_each("annotations", Severity.ERROR, of_drawing=True)
def run_lengths(annotation: dict[str, Any]) -> Iterator[str]:
    """Run lengths are whole numbers, or a compressed text, that add up to the size of their mask.

    With less pycocotools decodes memory that was never written: the mask differs from run to run.
    """
    value = annotation.get("segmentation")
    if isinstance(value, dict):
        counts = run_counts(value.get("counts"), value.get("size"))
        if isinstance(counts, str):
            yield counts


@rule(Severity.ERROR, "annotations")
def mask_size(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """Run lengths are for the size of the annotation's image.

    pycocotools tolerates others in silence, and every mask is compared at the wrong place.
    """
    images = images_by_id(document)
    for annotation in document["annotations"]:
        value, size = annotation.get("segmentation"), size_of(image_of(annotation, images))
        mask = value.get("size") if isinstance(value, dict) else None
        if size and is_mask_size(mask) and (mask[1], mask[0]) != size:
            message = f"its run lengths are for {mask[1]} x {mask[0]}, the image has {size[0]} x {size[1]}"
            yield item_name("annotations", annotation), message
