"""Filters of 2.x's lists: JSON logic becomes SQL."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.v2.filters import Column, Listing, _filter

LISTING = Listing("t", "id", {"id": Column("id", "number"), "name": Column("name"), "done": Column("done", "boolean")})
ROWS = [(1, "apple", 0), (2, "Pear", 1), (3, None, None)]


def chosen(rule: Any) -> list[int]:
    db = sqlite3.connect(":memory:")
    db.create_function("icontains", 2, lambda text, part: text is not None and part.lower() in text.lower())
    db.execute("CREATE TABLE t (id INTEGER, name TEXT, done INTEGER)")
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    sql, values = _filter(json.dumps(rule), LISTING)
    return [row[0] for row in db.execute(f"SELECT id FROM t WHERE {sql}", values)]


@pytest.mark.parametrize(
    ("rule", "ids"),
    [
        ({"==": [{"var": "name"}, "Pear"]}, [2]),
        ({"in": ["P", {"var": "name"}]}, [1, 2]),
        ({"in": [{"var": "id"}, [1, 3, 9]]}, [1, 3]),
        ({"and": [{">": [{"var": "id"}, 1]}, {"<": [{"var": "id"}, 3]}]}, [2]),
        ({"or": [{"==": [{"var": "id"}, 1]}, {"==": [{"var": "id"}, 3]}]}, [1, 3]),
        ({"<=": [1, {"var": "id"}, 2]}, [1, 2]),
        ({"==": [{"var": "name"}, None]}, [3]),
        ({"!": {"var": "done"}}, [1, 3]),
        ({"!": [{"==": [{"var": "id"}, 2]}]}, [1, 3]),
        ({"==": [{"var": "done"}, True]}, [2]),
        ({"and": []}, [1, 2, 3]),
    ],
)
def test_a_rule_chooses_rows(rule: Any, ids: list[int]) -> None:
    assert chosen(rule) == ids


@pytest.mark.parametrize(
    "rule",
    [
        {"==": [{"var": "colour"}, 1]},
        {"like": [{"var": "name"}, "x"]},
        [],
        {"==": 1},
        {"==": [1]},
        {"in": []},
        7,
        {"and": 5},
        {"!": []},
        {"==": [{"var": "id"}, [1]]},
    ],
)
def test_a_rule_that_cannot_be_read_is_a_validation_error(rule: Any) -> None:
    with pytest.raises(ValidationError):
        chosen(rule)
