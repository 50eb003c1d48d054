"""Rules for a COCO document as a whole: its parts, on which all other rules rely, and what is no JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.json_text import NonFinite
from labelyard.formats.checks.rule import Violations, item_name, rule
from labelyard.formats.checks.values import PARTS, Document, abbreviated

_SURROGATE = re.compile("[\ud800-\udfff]")

FIELDS_WITH_RULES: Mapping[str, frozenset[str]] = {
    "images": frozenset({"id", "width", "height"}),
    "categories": frozenset({"id"}),
    "annotations": frozenset({
        "id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score", "keypoints",
        "num_keypoints",
    }),
}  # fmt: skip
"""The fields of each part in which another rule reports a number that is none, or a text."""


@rule(Severity.ERROR)
def parts(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """A document has the lists `images`, `annotations` and `categories`, and each item of them is an object.

    Without them no reader loads the file. Nothing else of it is checked.
    """
    for part in PARTS:
        if not _is_list_of_objects(document.get(part)):
            yield "", f"{part} is not a list of objects" if part in document else f"{part} is missing"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


@rule(Severity.ERROR)
def non_finite(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No value is NaN or Infinity, which are no JSON; those of boxes, areas and outlines are faults of their own rules.

    Python reads them, and readers in most other languages refuse the whole file.
    """
    for name, value in document.items():
        if name not in PARTS and _has_non_finite(value):
            yield name, "has NaN or Infinity"
    for part in PARTS:
        for item in document[part]:
            if any(_has_non_finite(value) for field, value in item.items() if field not in FIELDS_WITH_RULES[part]):
                yield item_name(part, item), "has NaN or Infinity"


@rule(Severity.ERROR)
def lone_surrogate(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No text has half of a character: the escape of one surrogate without the other.

    Python reads it, but can write it into no file; readers in most other languages refuse the whole file.
    """
    for name, value in document.items():
        if name not in PARTS and _has_lone_surrogate({name: value}):
            yield abbreviated(name), "has half of a character"
    for part in PARTS:
        for item in document[part]:
            if _has_lone_surrogate({name: one for name, one in item.items() if name not in FIELDS_WITH_RULES[part]}):
                yield item_name(part, item), "has half of a character"


def _has_lone_surrogate(value: Any) -> bool:
    values: list[Any] = [value]
    while values:
        found = values.pop()
        if isinstance(found, str):
            if not found.isascii() and _SURROGATE.search(found):
                return True
        elif isinstance(found, dict):
            values += [*found, *found.values()]
        elif isinstance(found, list):
            values += found
    return False


def _has_non_finite(value: Any) -> bool:
    values: list[Any] = [value]
    while values:
        found = values.pop()
        if isinstance(found, float):
            # An infinite float that is no `NonFinite` was a number with a large exponent, which is JSON.
            if math.isnan(found) or isinstance(found, NonFinite):
                return True
        elif isinstance(found, dict | list):
            values += _inner(found)
    return False


def _inner(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)
