"""Rules for the categories of a COCO document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.rule import Violations, duplicates, item_name, rule, rule_for_each
from labelyard.formats.checks.values import Document, is_whole_number


@rule_for_each("categories", Severity.ERROR)
def category(item: dict[str, Any]) -> Iterator[str]:
    """A category has a whole number as id, and a name."""
    if not is_whole_number(item.get("id")) or not isinstance(item.get("name"), str):
        yield "needs a whole number as id, and a name"


@rule(Severity.ERROR)
def duplicate_category_id(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two categories have the same id."""
    for message in duplicates(document["categories"], "id", "the same id"):
        yield "categories", message


@rule(Severity.ERROR)
def duplicate_category_name(document: Document, _dataset: DatasetFacts | None) -> Violations:
    """No two categories have the same name."""
    for message in duplicates(document["categories"], "name", "the same name"):
        yield "categories", message


@rule(Severity.WARNING)
def unknown_label(document: Document, dataset: DatasetFacts | None) -> Violations:
    """Every category is a label of the dataset: only those keep their id from file to file."""
    if dataset is None:
        return
    for item in document["categories"]:
        if isinstance(item.get("name"), str) and item["name"] not in dataset.category_ids:
            yield (
                item_name("categories", item),
                "is not a label of the dataset: it may have another id in the next file",
            )
