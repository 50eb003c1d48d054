"""Rules for the categories of a COCO document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labelyard.formats.checks.fault import Severity
from labelyard.formats.checks.rule import Group, Violations, field_key, names_in, rule_for_each, rule_for_equal
from labelyard.formats.checks.values import EXACT_LIMIT, abbreviated, is_whole_number


@rule_for_each("categories", Severity.ERROR)
def category(item: dict[str, Any]) -> Iterator[str]:
    """A category has a whole number as id, and a name.

    Readers fail on a category without them, or give its objects another class.
    """
    if not is_whole_number(item.get("id")) or not isinstance(item.get("name"), str) or not item["name"].strip():
        yield "needs a whole number as id, and a name"
    elif item["id"] >= EXACT_LIMIT:
        yield "its id is 2^53 or more"


@rule_for_equal("categories", Severity.ERROR, field_key("id"), "id")
def duplicate_category_id(group: Group) -> Violations:
    """No two categories have the same id.

    The last one wins in silence, and the objects of the others are learned as its class.
    """
    yield "categories", f"{len(group)} have the same id: {abbreviated(group[0]['id'])}"


@rule_for_equal("categories", Severity.ERROR, field_key("name"), "name")
def duplicate_category_name(group: Group) -> Violations:
    """No two categories have the same name.

    One class is learned as two that compete, and its figures are halved.
    """
    yield "categories", f"{len(group)} have the same name: {abbreviated(group[0]['name'])}"


def _similar_name(item: dict[str, Any]) -> str | None:
    name = item.get("name")
    return " ".join(name.split()).casefold() if isinstance(name, str) else None


@rule_for_equal("categories", Severity.WARNING, _similar_name, "name")
def similar_category_names(group: Group) -> Violations:
    """No two names of categories differ only in case or blanks.

    Mostly they mean one class, which is then learned as two that compete.
    """
    names = list(dict.fromkeys(item["name"] for item in group))
    if len(names) > 1:
        yield "categories", f"{len(names)} have names that differ only in case or blanks: {names_in(names)}"
