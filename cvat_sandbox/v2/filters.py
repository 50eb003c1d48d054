"""Filters and orders of lists: simple parameters, `search`, `filter` (JSON logic) and `sort`.

A list is described by a `Listing`. Its conditions are SQL on the columns that the listing names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import BooleanField
from cvat_sandbox.rest.paging import page_of, paged
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.v2.request import OrganizationRequest

MAX_PAGE_SIZE = 500

Condition = tuple[str, list[Any]]


@dataclass(frozen=True)
class Column:
    """A column of a list: its SQL expression, and what a value of it is."""

    sql: str
    kind: str = "text"
    """`text`, `number`, `boolean` or `choice`."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """How a list is filtered, searched and sorted."""

    source: str
    """The FROM clause."""
    key: str
    """The expression of the id."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """The columns that `filter` and `sort` know."""
    simple: tuple[str, ...] = ()
    """The columns that are also query parameters."""
    search: tuple[str, ...] = ()
    """The columns in which `search` looks."""
    order: str = "id"
    """The default order, a column name; with a minus descending."""


def listed(
    request: OrganizationRequest, listing: Listing, visible: Condition, show: Callable[[list[int]], list[Any]]
) -> ApiResponse:
    """Return the page of a list that the query names. show: returns the JSON of the rows with these ids."""
    db, conditions = request.sandbox.db, [visible, *_conditions(request.query, listing)]
    where = " AND ".join(f"({sql})" for sql, _ in conditions)
    values = [value for _, more in conditions for value in more]
    count = db.count(f"SELECT COUNT(*) FROM {listing.source} WHERE {where}", *values)  # noqa: S608 - the names are constants
    first, size = page_of(request, count, max_size=MAX_PAGE_SIZE)
    rows = db.all(
        f"SELECT {listing.key} FROM {listing.source} WHERE {where} ORDER BY {_order(request.query, listing)} "  # noqa: S608 - the names are constants
        "LIMIT ? OFFSET ?", *values, size, first,
    )  # fmt: skip
    return paged(request, count, show([row[0] for row in rows]), max_size=MAX_PAGE_SIZE)


def _conditions(query: Mapping[str, str], listing: Listing) -> list[Condition]:
    errors: dict[str, Any] = {}
    found: list[Condition] = []
    for name in listing.simple:
        if query.get(name, "").strip():
            try:
                found.append(_equal(listing.columns[name], query[name].strip()))
            except ValidationError as error:
                errors[name] = error.detail
    if errors:
        raise ValidationError(errors)
    found += _search(query, listing)
    if query.get("filter"):
        found.append(_filter(query["filter"], listing))
    return found


def _equal(column: Column, text: str) -> Condition:
    if column.kind == "number":
        try:
            number = float(text)
        except ValueError:
            raise ValidationError("Enter a number.") from None
        return f"{column.sql} = ?", [int(number) if abs(number) <= LARGEST_ID else 0]
    if column.kind == "choice" and text not in column.choices:
        raise ValidationError(f"Select a valid choice. {text} is not one of the available choices.")
    if column.kind == "boolean":
        if text not in (*BooleanField.TRUE, *BooleanField.FALSE):
            return "1", []
        return f"{column.sql} = ?", [text in BooleanField.TRUE]
    return f"{column.sql} = ?", [text]


def _search(query: Mapping[str, str], listing: Listing) -> list[Condition]:
    words = query.get("search", "").replace("\x00", "").replace(",", " ").split()
    if not listing.search:
        return []
    anywhere = " OR ".join(f"icontains({listing.columns[name].sql}, ?)" for name in listing.search)
    return [(anywhere, [word] * len(listing.search)) for word in words]


def _order(query: Mapping[str, str], listing: Listing) -> str:
    """Return the SQL order that `sort` asks for; unknown columns are skipped."""
    wanted = [name.strip() for name in query.get("sort", "").split(",")]
    known = [name for name in wanted if name.removeprefix("-") in listing.columns] or [listing.order]
    terms = [_term(name, listing) for name in known]
    return ", ".join([*terms, _term(listing.order, listing)])


def _term(name: str, listing: Listing) -> str:
    column = listing.columns[name.removeprefix("-")].sql
    return f"{column} DESC NULLS FIRST" if name.startswith("-") else f"{column} ASC NULLS LAST"


# -- JSON logic

_LENGTHS = {"==": (2,), "!=": (2,), "<": (2, 3), ">": (2,), "<=": (2, 3), ">=": (2,), "in": (2,)}
"""The comparisons with the numbers of arguments that they take."""


def condition_of(text: str, listing: Listing) -> Condition:
    """Return the condition of a JSON logic expression. Raises ValidationError."""
    return _filter(text, listing)


def _filter(text: str, listing: Listing) -> Condition:
    try:
        rules = json.loads(text)
    except ValueError as error:
        raise ValidationError([f"filter: can't parse filter expression: {error}"]) from None
    try:
        condition, values = _logic(rules, listing)
    except (TypeError, IndexError):
        raise ValidationError([f"filter: {rules} operation is not supported"]) from None
    if any(not isinstance(value, str | int | float | None) for value in values):
        raise ValidationError([f"filter: {rules} operation is not supported"])
    return condition, values


def _logic(rule: Any, listing: Listing) -> Condition:
    if not isinstance(rule, dict) or len(rule) != 1:
        raise ValidationError([f"filter: {rule} operation is not supported"])
    [(operator, arguments)] = rule.items()
    if operator in {"and", "or"}:
        parts = [_logic(part, listing) for part in arguments]
        return f" {operator.upper()} ".join(f"({sql})" for sql, _ in parts) or "1", [
            v for _, more in parts for v in more
        ]
    if operator == "!":
        sql, values = _logic(arguments[0] if isinstance(arguments, list) else arguments, listing)
        return f"NOT COALESCE({sql}, 0)", values
    if operator == "var":
        return f"{_column(rule, listing).sql}", []
    lengths = _LENGTHS.get(operator, ())
    if not isinstance(arguments, list) or len(arguments) not in lengths:
        raise ValidationError([f"filter: {operator} operation is not supported"])
    return _comparison(operator, arguments, listing)


def _comparison(operator: str, arguments: list[Any], listing: Listing) -> Condition:
    if operator == "in":
        return _membership(arguments, listing)
    if len(arguments) == 3:
        low, middle, high = arguments
        sql = _column(middle, listing).sql
        return f"? {operator} {sql} AND {sql} {operator} ?", [low, high]
    left, right = arguments
    sql = _column(left, listing).sql
    if right is None:
        return f"{sql} IS {'NOT ' if operator == '!=' else ''}NULL", []
    return f"{sql} {'=' if operator == '==' else operator} ?", [right]


def _membership(arguments: list[Any], listing: Listing) -> Condition:
    """`in` asks whether a text contains another, or whether a list contains a value."""
    left, right = arguments
    if isinstance(left, dict):
        sql = _column(left, listing).sql
        return f"{sql} IN (SELECT value FROM json_each(?))", [json.dumps(right)]  # noqa: S608 - the names are constants
    return f"icontains({_column(right, listing).sql}, ?)", [str(left)]


def _column(term: Any, listing: Listing) -> Column:
    name = str(term.get("var")) if isinstance(term, dict) else str(term)
    if name not in listing.columns:
        raise ValidationError([f"filter: term '{name}' is not supported"])
    return listing.columns[name]
