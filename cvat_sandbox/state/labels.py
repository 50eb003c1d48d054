"""Labels and their attributes, checked as little as CVAT 1.0.0 checks them.

No write here is one transaction: a row that breaks a constraint crashes the request, and the rows before it remain.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Crash

if TYPE_CHECKING:
    from cvat_sandbox.state.database import Database

MAX_LENGTHS = {"name": 64, "input_type": 16, "default_value": 128, "values": 4096}


def create(db: Database, task_id: int, labels: list[dict[str, Any]]) -> None:
    """Insert the labels of a new task. A duplicate name crashes; the labels before it remain."""
    for label in labels:
        label_id = db.insert("label", task_id=task_id, name=label["name"])
        for attribute in label["attributes"]:
            _insert_attribute(db, label_id, attribute)


def merge(db: Database, task_id: int, labels: list[dict[str, Any]]) -> None:
    """Update labels, matched by name and not by id; insert new names, remove nothing."""
    for label in labels:
        if "name" not in label:
            raise Crash("KeyError: 'name'")
        row = db.one("SELECT id FROM label WHERE task_id = ? AND name = ?", task_id, label["name"])
        label_id = row["id"] if row else db.insert("label", task_id=task_id, name=label["name"])
        for attribute in label.get("attributes", []):
            _merge_attribute(db, label_id, attribute)


def _merge_attribute(db: Database, label_id: int, attribute: dict[str, Any]) -> None:
    if "name" not in attribute:
        raise Crash("KeyError: 'name'")
    row = db.one("SELECT * FROM attribute WHERE label_id = ? AND name = ?", label_id, str(attribute["name"]))
    if row is None:
        _insert_attribute(db, label_id, attribute)
        return
    changed = {name: attribute.get(name, row[name]) for name in ("default_value", "mutable", "input_type", "values")}
    db.execute(
        'UPDATE attribute SET default_value = ?, mutable = ?, input_type = ?, "values" = ? WHERE id = ?',
        _text("default_value", changed["default_value"]), _boolean(changed["mutable"]),
        _text("input_type", changed["input_type"]), _text("values", changed["values"]), row["id"],
    )  # fmt: skip


def _insert_attribute(db: Database, label_id: int, attribute: dict[str, Any]) -> None:
    unknown = set(attribute) - {"id", "mutable", *MAX_LENGTHS}
    if unknown:
        raise Crash(f"TypeError: unexpected keyword arguments {unknown}")
    texts = {name: _text(name, attribute.get(name, "")) for name in MAX_LENGTHS}
    key = attribute.get("id")
    db.insert(
        "attribute", id=None if key is None else int(key), label_id=label_id,
        mutable=_boolean(attribute.get("mutable")), **texts,
    )  # fmt: skip


def _text(name: str, value: Any) -> str | None:
    # None passes: the database rejects it, after it has used up an id.
    if value is not None and len(str(value)) > MAX_LENGTHS[name]:
        raise Crash(f"{name}: too long for its column")
    return None if value is None else str(value)


def _boolean(value: Any) -> bool | None:
    if value is None:
        return None
    if value in (True, "t", "True", "1"):
        return True
    if value in (False, "f", "False", "0"):
        return False
    raise Crash(f"ValidationError: {value!r} is not a boolean")


def of_tasks(db: Database, task_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the labels of several tasks with their attributes, by task id."""
    chosen = json.dumps(task_ids)
    rows = db.all("SELECT * FROM label WHERE task_id IN (SELECT value FROM json_each(?)) ORDER BY id", chosen)
    attributes = _attributes(db, chosen)
    labels: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        label = {"id": row["id"], "name": row["name"], "attributes": attributes.get(row["id"], [])}
        labels.setdefault(row["task_id"], []).append(label)
    return labels


def _attributes(db: Database, task_ids: str) -> dict[int, list[dict[str, Any]]]:
    attributes: dict[int, list[dict[str, Any]]] = {}
    for row in db.all(
        "SELECT a.* FROM label l JOIN attribute a ON a.label_id = l.id "
        "WHERE l.task_id IN (SELECT value FROM json_each(?)) ORDER BY a.id", task_ids,
    ):  # fmt: skip
        attributes.setdefault(row["label_id"], []).append(
            {"id": row["id"], "name": row["name"], "mutable": bool(row["mutable"]), "input_type": row["input_type"],
             "default_value": row["default_value"], "values": row["values"].split("\n")}
        )  # fmt: skip
    return attributes
