"""Rules for the fields of an annotation that hold no geometry: ids, references, iscrowd and score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import (
    Group,
    Violations,
    field_key,
    item_name,
    rule,
    rule_for_each,
    rule_for_equal,
)
from labelyard.formats.checks.values import (
    EXACT_LIMIT,
    Document,
    abbreviated,
    categories_by_id,
    image_of,
    images_by_id,
    is_number,
    is_whole_number,
)


@rule_for_each("annotations", Severity.ERROR)
def annotation_id(annotation: dict[str, Any]) -> Iterator[str]:
    """The id of an annotation is a whole number other than 0.

    pycocotools fails without an id, and counts a match with id 0 as a miss: AP 1.0 becomes 0.5, in silence.
    """
    if not is_whole_number(annotation.get("id")) or annotation["id"] == 0:
        yield "its id must be a whole number, not 0"


@rule_for_each("annotations", Severity.WARNING)
def large_annotation_id(annotation: dict[str, Any]) -> Iterator[str]:
    """The id of an annotation is below 2^53.

    Larger ones are not exact as floats, as which evaluation keeps its matches: annotations are mixed up.
    """
    if is_whole_number(annotation.get("id")) and annotation["id"] >= EXACT_LIMIT:
        yield "its id is 2^53 or more"


@rule_for_equal("annotations", Severity.ERROR, field_key("id"), "id")
def duplicate_annotation_id(group: Group) -> Violations:
    """No two annotations have the same id.

    pycocotools keeps only the last one, in silence: the other objects are not learned and not evaluated.
    """
    yield "annotations", f"{len(group)} have the same id: {abbreviated(group[0]['id'])}"


@rule(Severity.ERROR, "annotations")
def annotation_image(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The image of an annotation is among the images.

    pycocotools ignores the boxes of an unknown image in silence, and fails with a KeyError on its masks.
    """
    images = images_by_id(document)
    for annotation in document["annotations"]:
        if image_of(annotation, images) is None:
            message = f"its image {abbreviated(annotation.get('image_id'))} is not among the images"
            yield item_name("annotations", annotation), message


@rule(Severity.ERROR, "annotations")
def annotation_category(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """The category of an annotation is among the categories.

    The annotation is ignored, and AP is still 1.0; without a category_id pycocotools fails as it loads the file.
    """
    known = categories_by_id(document)
    for annotation in document["annotations"]:
        category_id = annotation.get("category_id")
        if not is_whole_number(category_id) or category_id not in known:
            message = f"its category {abbreviated(category_id)} is not among the categories"
            yield item_name("annotations", annotation), message


@rule_for_each("annotations", Severity.ERROR)
def iscrowd(annotation: dict[str, Any]) -> Iterator[str]:
    """The iscrowd of an annotation is 0 or 1.

    pycocotools loads a file without it, and fails with a KeyError in the middle of the evaluation.
    """
    value = annotation.get("iscrowd")
    if type(value) is not int or value not in (0, 1):
        yield f"its iscrowd is {abbreviated(value)}, neither 0 nor 1"


@rule_for_each("annotations", Severity.ERROR)
def score(annotation: dict[str, Any]) -> Iterator[str]:
    """The score of an annotation is a number, if it has one.

    Sorting by anything else fails.
    """
    if annotation.get("score") is not None and not is_number(annotation["score"]):
        yield f"its score is {abbreviated(annotation['score'])}, not a number"


def content_key(annotation: dict[str, Any]) -> int:
    """Return the hash of what makes two annotations the same; outlines are long, and values may be unhashable."""
    return hash((place_key(annotation), repr(annotation.get("segmentation")), repr(annotation.get("keypoints"))))


def place_key(annotation: dict[str, Any]) -> int:
    """Return a hash of image, category and bbox: annotations with the same `content_key` have the same."""
    return hash((_plain(annotation.get("image_id")), _plain(annotation.get("category_id")), _box(annotation)))


def _plain(value: Any) -> Any:
    return value if type(value) is int else repr(value)


def _box(annotation: dict[str, Any]) -> Any:
    box = annotation.get("bbox")
    return tuple(box) if isinstance(box, list) and all(map(is_number, box)) else repr(box)


@rule_for_equal(
    "annotations", Severity.WARNING, content_key, "id", "image_id", "category_id", "bbox", "segmentation", "keypoints"
)
def duplicate_annotation(group: Group) -> Violations:
    """No two annotations have the same image, category, bbox, segmentation and keypoints.

    The object counts twice in training, and one of the two is always a miss in evaluation.
    """
    for annotation in group[1:]:
        message = f"is the same as annotation {abbreviated(group[0].get('id'))}"
        yield item_name("annotations", annotation), message
