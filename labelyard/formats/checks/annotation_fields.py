"""Rules for the fields of an annotation that hold no geometry: ids, references, iscrowd and score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, duplicates, item_name, rule, rule_for_each
from labelyard.formats.checks.values import (
    Document,
    abbreviated,
    image_of,
    images_by_id,
    is_number,
    is_whole_number,
)


@rule_for_each("annotations", Severity.ERROR)
def annotation_id(annotation: dict[str, Any]) -> Iterator[str]:
    """The id of an annotation is a whole number other than 0, which counts as a miss in every evaluation."""
    if not is_whole_number(annotation.get("id")) or annotation["id"] == 0:
        yield "its id must be a whole number, not 0"


@rule(Severity.ERROR)
def duplicate_annotation_id(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two annotations have the same id: pycocotools silently keeps only the last one."""
    for message in duplicates(document["annotations"], "id", "the same id"):
        yield "annotations", message


@rule(Severity.ERROR)
def annotation_image(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The image of an annotation is among the images."""
    images = images_by_id(document)
    for annotation in document["annotations"]:
        if image_of(annotation, images) is None:
            message = f"its image {abbreviated(annotation.get('image_id'))} is not among the images"
            yield item_name("annotations", annotation), message


@rule(Severity.ERROR)
def annotation_category(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The category of an annotation is among the categories."""
    known = {item["id"] for item in document["categories"] if is_whole_number(item.get("id"))}
    for annotation in document["annotations"]:
        category_id = annotation.get("category_id")
        if not is_whole_number(category_id) or category_id not in known:
            message = f"its category {abbreviated(category_id)} is not among the categories"
            yield item_name("annotations", annotation), message


@rule_for_each("annotations", Severity.ERROR)
def iscrowd(annotation: dict[str, Any]) -> Iterator[str]:
    """The iscrowd of an annotation is 0 or 1."""
    if annotation.get("iscrowd") not in (0, 1):
        yield f"its iscrowd is {abbreviated(annotation.get('iscrowd'))}, neither 0 nor 1"


@rule_for_each("annotations", Severity.ERROR)
def score(annotation: dict[str, Any]) -> Iterator[str]:
    """The score of an annotation is a number, if it has one."""
    if annotation.get("score") is not None and not is_number(annotation["score"]):
        yield f"its score is {abbreviated(annotation['score'])}, not a number"


@rule(Severity.WARNING)
def duplicate_annotation(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two annotations have the same image, category, bbox and segmentation."""
    seen: dict[int, Any] = {}
    for annotation in document["annotations"]:
        # The hash of the text: outlines are long, and a document may hold values that cannot be hashed.
        same = hash(repr([annotation.get(key) for key in ("image_id", "category_id", "bbox", "segmentation")]))
        if same in seen:
            yield item_name("annotations", annotation), f"is the same as annotation {abbreviated(seen[same])}"
        seen.setdefault(same, annotation.get("id"))
