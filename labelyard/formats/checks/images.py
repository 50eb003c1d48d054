"""Rules for the images of a COCO document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import (
    Group,
    Violations,
    field_key,
    item_name,
    names_in,
    rule,
    rule_for_each,
    rule_for_equal,
)
from labelyard.formats.checks.values import COORDINATE_LIMIT, EXACT_LIMIT, Document, abbreviated, is_whole_number

_SUFFIXES = frozenset(
    ["jpg", "jpeg", "jfif", "png", "bmp", "webp", "tif", "tiff", "gif", "avif", "heic", "jp2", "ppm", "pgm"]
)
_UNSAFE = re.compile(r"\A(?:[a-zA-Z]:|[\\/])|(?:\A|[\\/])\.\.(?:[\\/]|\Z)|[\x00-\x1f\ud800-\udfff]")


@rule_for_each("images", Severity.ERROR)
def image_id(image: dict[str, Any]) -> Iterator[str]:
    """The id of an image is a whole number.

    torchvision and datumaro refuse a text as id, and masks fail with a KeyError where the types differ.
    """
    if not is_whole_number(image.get("id")):
        yield f"its id is {abbreviated(image.get('id'))}, not a whole number"


@rule_for_each("images", Severity.WARNING)
def large_image_id(image: dict[str, Any]) -> Iterator[str]:
    """The id of an image is below 2^53.

    Larger ones are not exact as floats, as which evaluation and many readers keep them: images are mixed up.
    """
    if is_whole_number(image.get("id")) and image["id"] >= EXACT_LIMIT:
        yield "its id is 2^53 or more"


@rule_for_each("images", Severity.ERROR)
def image_name(image: dict[str, Any]) -> Iterator[str]:
    """An image has a file_name.

    Without one a training cannot open the image.
    """
    if not isinstance(image.get("file_name"), str) or not image["file_name"]:
        yield "has no file_name"


@rule_for_each("images", Severity.WARNING)
def image_path(image: dict[str, Any]) -> Iterator[str]:
    """The file_name of an image is a path inside the folder of the images.

    A path that is absolute or leaves the folder opens another file, or none, on every other machine.
    """
    name = image.get("file_name")
    if isinstance(name, str) and is_unsafe_name(name):
        yield "its file_name is not a path inside a folder"


def is_unsafe_name(name: str) -> bool:
    """Return whether a name could open a file outside of its folder, or is no text that a disk can hold."""
    return bool(_UNSAFE.search(name))


@rule_for_each("images", Severity.ERROR)
def image_size(image: dict[str, Any]) -> Iterator[str]:
    """The width and height of an image are whole numbers from 1 to below a million.

    Masks fail with a KeyError without them, and boxes cannot be scaled.
    """
    for side in ("width", "height"):
        if not is_whole_number(image.get(side)) or not 1 <= image[side] < COORDINATE_LIMIT:
            yield f"its {side} is {abbreviated(image.get(side))}: masks need it"


@rule_for_equal("images", Severity.ERROR, field_key("id"), "id")
def duplicate_image_id(group: Group) -> Violations:
    """No two images have the same id.

    pycocotools keeps the last one: the annotations of the others are learned on a wrong image, or end in a KeyError.
    """
    yield "images", f"{len(group)} have the same id: {abbreviated(group[0]['id'])}"


@rule_for_equal("images", Severity.WARNING, field_key("file_name"), "file_name")
def duplicate_image_name(group: Group) -> Violations:
    """No two images have the same file_name.

    The image is learned twice, each time with the objects of the other entry as background.
    """
    yield "images", f"{len(group)} have the same file_name: {abbreviated(group[0]['file_name'])}"


def similar_name(image: dict[str, Any]) -> str | None:
    """Return what names have in common that differ only in case or ending."""
    name = image.get("file_name")
    if not isinstance(name, str):
        return None
    name = name.casefold()
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and suffix in _SUFFIXES else name


@rule_for_equal("images", Severity.WARNING, similar_name, "file_name")
def similar_image_names(group: Group) -> Violations:
    """No two names of images differ only in case or ending.

    Tools that drop the ending (YOLO, VOC), and disks that ignore case, take them for one image.
    """
    names = list(dict.fromkeys(image["file_name"] for image in group))
    if len(names) > 1:
        yield "images", f"{len(names)} have names that differ only in case or ending: {names_in(names)}"


@rule(Severity.WARNING)
def image_without_annotations(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """Every image has an annotation, in a file that has annotations.

    The image is learned as background. That is right if nothing is on it, and wrong if it was never labelled.
    """
    annotated = {
        annotation["image_id"] for annotation in document["annotations"] if is_whole_number(annotation.get("image_id"))
    }
    for image in document["images"] if document["annotations"] else ():
        if is_whole_number(image.get("id")) and image["id"] not in annotated:
            yield item_name("images", image), "has no annotation"


@rule_for_each("images", Severity.WARNING)
def rotated_image(image: dict[str, Any]) -> Iterator[str]:
    """No image has an EXIF orientation.

    Some readers rotate the image, and its boxes then miss the objects.
    """
    if "exif_orientation" in image:
        orientation = f"EXIF orientation {abbreviated(image['exif_orientation'])}"
        yield f"some readers rotate it ({orientation}); width, height and boxes are of the pixels as stored"
