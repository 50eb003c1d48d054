"""Values in a JSON document that may hold anything."""

from __future__ import annotations

from typing import Any, TypeGuard

Document = dict[str, Any]
"""A COCO file as JSON values."""

PARTS = ("images", "annotations", "categories")

COORDINATE_LIMIT = 1e6
"""Coordinates from here on make pycocotools run out of memory or crash: it walks outlines in fifths of a pixel."""

_NUMBERS = (int, float)  # not bool, which is a subclass of int
_NUMBER_LIMIT = 1e15  # NaN and infinity fail the comparison with it, and so do integers that no float holds


def is_whole_number(value: Any) -> TypeGuard[int]:
    """Return whether a value is an integer from 0."""
    return type(value) is int and value >= 0


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number that a float can hold."""
    return type(value) in _NUMBERS and abs(value) < _NUMBER_LIMIT


def is_coordinate(value: Any) -> bool:
    """Return whether a value is a number below the limit of coordinates."""
    return type(value) in _NUMBERS and abs(value) < COORDINATE_LIMIT


def is_box(value: Any) -> TypeGuard[list[float]]:
    """Return whether a value is a list of four coordinates."""
    return isinstance(value, list) and len(value) == 4 and all(map(is_coordinate, value))


def images_by_id(document: Document) -> dict[int, dict[str, Any]]:
    """Return the images that have a valid id."""
    return {image["id"]: image for image in document["images"] if is_whole_number(image.get("id"))}


def image_of(annotation: dict[str, Any], images: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the image of an annotation; None if the document does not have it."""
    image_id = annotation.get("image_id")
    return images.get(image_id) if is_whole_number(image_id) else None


def size_of(image: dict[str, Any] | None) -> tuple[int, int] | None:
    """Return width and height of an image; None if one is missing or no whole number."""
    if image is None or not is_whole_number(image.get("width")) or not is_whole_number(image.get("height")):
        return None
    return image["width"], image["height"]


def abbreviated(value: Any) -> str:
    """Return the repr of a value, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
