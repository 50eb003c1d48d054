"""Values in a JSON document that may hold anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

Document = dict[str, Any]
"""A COCO file as JSON values."""

PARTS = ("images", "annotations", "categories")

COORDINATE_LIMIT = 1e6
"""Coordinates from here on make pycocotools run out of memory or crash: it walks outlines in fifths of a pixel."""

EXACT_LIMIT = 2**53
"""Whole numbers from here on are inexact as floats, as which COCOeval and JavaScript keep ids."""

_MAX_DIGITS = 15
_NUMBERS = (int, float)  # not bool, which is a subclass of int
_TYPES = frozenset(_NUMBERS)
_NUMBER_LIMIT = 1e15  # NaN and infinity fail the comparison with it, and so do integers that no float holds


def is_whole_number(value: Any) -> TypeGuard[int]:
    """Return whether a value is an integer from 0."""
    return type(value) is int and value >= 0


def whole_number(value: Any) -> int | None:
    """Return the whole number that a value means, such as the text "12" or 12.0; None for any other value."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    if type(value) is float and value.is_integer() and 0 <= value < EXACT_LIMIT:
        return int(value)
    return value if is_whole_number(value) else None


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number that a float can hold."""
    return type(value) in _NUMBERS and abs(value) < _NUMBER_LIMIT


def is_coordinate(value: Any) -> bool:
    """Return whether a value is a number below the limit of coordinates."""
    return type(value) in _NUMBERS and abs(value) < COORDINATE_LIMIT


def are_coordinates(values: Sequence[Any]) -> bool:
    """Return whether all values are numbers below the limit of coordinates; of many values in little time."""
    if not values or not set(map(type, values)) <= _TYPES:
        return not values
    # A NaN may be passed over by min and max, and never by the sum.
    return min(values) > -COORDINATE_LIMIT and max(values) < COORDINATE_LIMIT and not math.isnan(sum(values))


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


def categories_by_id(document: Document) -> dict[int, dict[str, Any]]:
    """Return the categories that have a valid id."""
    return {item["id"]: item for item in document["categories"] if is_whole_number(item.get("id"))}


def size_of(image: dict[str, Any] | None) -> tuple[int, int] | None:
    """Return width and height of an image; None if one is missing or no whole number."""
    if image is None or not is_whole_number(image.get("width")) or not is_whole_number(image.get("height")):
        return None
    return image["width"], image["height"]


def abbreviated(value: Any) -> str:
    """Return the repr of a value, cut to 60 characters."""
    if isinstance(value, str | list):
        value = value[:60]  # no repr of a long text, or of an outline of a million points
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
