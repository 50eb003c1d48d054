"""Rules for the images of a COCO document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, duplicates, rule, rule_for_each
from labelyard.formats.checks.values import COORDINATE_LIMIT, Document, abbreviated, is_whole_number


@rule_for_each("images", Severity.ERROR)
def image_id(image: dict[str, Any]) -> Iterator[str]:
    """The id of an image is a whole number."""
    if not is_whole_number(image.get("id")):
        yield f"its id is {abbreviated(image.get('id'))}, not a whole number"


@rule_for_each("images", Severity.ERROR)
def image_name(image: dict[str, Any]) -> Iterator[str]:
    """An image has a file_name."""
    if not isinstance(image.get("file_name"), str) or not image["file_name"]:
        yield "has no file_name"


@rule_for_each("images", Severity.ERROR)
def image_size(image: dict[str, Any]) -> Iterator[str]:
    """The width and height of an image are whole numbers from 1 to below a million."""
    for side in ("width", "height"):
        if not is_whole_number(image.get(side)) or not 1 <= image[side] < COORDINATE_LIMIT:
            yield f"its {side} is {abbreviated(image.get(side))}: masks need it"


@rule(Severity.ERROR)
def duplicate_image_id(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two images have the same id."""
    for message in duplicates(document["images"], "id", "the same id"):
        yield "images", message


@rule(Severity.WARNING)
def duplicate_image_name(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two images have the same file_name."""
    for message in duplicates(document["images"], "file_name", "the same file_name"):
        yield "images", message


@rule(Severity.WARNING)
def similar_image_names(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two names of images differ only in case or ending: tools that drop the ending mix them up."""
    names = [image["file_name"] for image in document["images"] if isinstance(image.get("file_name"), str)]
    if len(set(names)) < len(names):
        return  # duplicate-image-name reports it
    stems = [{"stem": name.rsplit(".", 1)[0].lower()} for name in names]
    for message in duplicates(stems, "stem", "names that differ only in case or ending"):
        yield "images", message


@rule_for_each("images", Severity.WARNING)
def rotated_image(image: dict[str, Any]) -> Iterator[str]:
    """No image has an EXIF orientation: some readers rotate the image, and its boxes then miss the objects."""
    if "exif_orientation" in image:
        orientation = f"EXIF orientation {abbreviated(image['exif_orientation'])}"
        yield f"some readers rotate it ({orientation}); width, height and boxes are of the pixels as stored"
