"""Rules for the parts of a COCO document. All other rules rely on them."""

from __future__ import annotations

from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, rule
from labelyard.formats.checks.values import PARTS, Document


@rule(Severity.ERROR)
def parts(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """A document has the lists `images`, `annotations` and `categories`, and each item of them is an object."""
    for part in PARTS:
        if not _is_list_of_objects(document.get(part)):
            yield "", f"{part} is not a list of objects"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
