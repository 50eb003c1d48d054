"""Labels and their attributes: checked as carelessly as CVAT does it, and written row by row.

Nothing here is one transaction: a row that the database refuses crashes the request and leaves the rows before it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox.answers import Crash
from cvat_sandbox.fields import Field, Many, Object, Text

if TYPE_CHECKING:
    from cvat_sandbox.state import Store

LENGTHS = {"name": 64, "input_type": 16, "default_value": 128, "values": 4096}


class Attribute(Field):
    """An attribute; only its `values` are looked at, and joined to one text."""

    def clean(self, value: Any) -> dict[str, Any]:
        """A copy with joined values; Crash for what is no object, or values that are no texts."""
        try:
            return {**value, "values": "\n".join(item.strip() for item in value.get("values", []))}
        except (AttributeError, TypeError) as error:
            raise Crash(str(error)) from error


def label_list() -> Many:
    """The field `labels` of a task."""
    return Many(Object({"name": Text(longest=64), "attributes": Many(Attribute(), default=list)}))


def create(store: Store, task_id: int, labels: list[dict[str, Any]]) -> None:
    """Write the labels of a new task; doubled names crash and leave what was written before them."""
    for label in labels:
        label_id = store.insert("label", task_id=task_id, name=label["name"])
        for attribute in label["attributes"]:
            _insert(store, label_id, attribute)


def merge(store: Store, task_id: int, labels: list[dict[str, Any]]) -> None:
    """PATCH of labels: matched by name, whatever their ids; unknown names are added, nothing is removed."""
    for label in labels:
        if "name" not in label:
            raise Crash("KeyError: 'name'")
        row = store.one("SELECT id FROM label WHERE task_id = ? AND name = ?", task_id, label["name"])
        label_id = row["id"] if row else store.insert("label", task_id=task_id, name=label["name"])
        for attribute in label.get("attributes", []):
            _merge_attribute(store, label_id, attribute)


def _merge_attribute(store: Store, label_id: int, attribute: dict[str, Any]) -> None:
    if "name" not in attribute:
        raise Crash("KeyError: 'name'")
    row = store.one("SELECT * FROM attribute WHERE label_id = ? AND name = ?", label_id, str(attribute["name"]))
    if row is None:
        _insert(store, label_id, attribute)
        return
    changed = {name: attribute.get(name, row[name]) for name in ("default_value", "mutable", "input_type", "values")}
    store.run(
        'UPDATE attribute SET default_value = ?, mutable = ?, input_type = ?, "values" = ? WHERE id = ?',
        _text("default_value", changed["default_value"]), _boolean(changed["mutable"]),
        _text("input_type", changed["input_type"]), _text("values", changed["values"]), row["id"],
    )  # fmt: skip


def _insert(store: Store, label_id: int, attribute: dict[str, Any]) -> None:
    unknown = set(attribute) - {"id", "mutable", *LENGTHS}
    if unknown:
        raise Crash(f"TypeError: unexpected keyword arguments {unknown}")
    texts = {name: _text(name, attribute.get(name, "")) for name in LENGTHS}
    key = attribute.get("id")
    store.insert(
        "attribute", id=None if key is None else int(key), label_id=label_id,
        mutable=_boolean(attribute.get("mutable")), **texts,
    )  # fmt: skip


def _text(name: str, value: Any) -> str | None:
    """The value of a column; None is left to the database, which refuses it after it has given an id away."""
    if value is not None and len(str(value)) > LENGTHS[name]:
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


def described(store: Store, task_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    """The labels of tasks as the API shows them."""
    chosen = json.dumps(task_ids)
    labels = store.all("SELECT * FROM label WHERE task_id IN (SELECT value FROM json_each(?)) ORDER BY id", chosen)
    attributes: dict[int, list[dict[str, Any]]] = {}
    for row in store.all(
        "SELECT a.* FROM label l JOIN attribute a ON a.label_id = l.id "
        "WHERE l.task_id IN (SELECT value FROM json_each(?)) ORDER BY a.id", chosen,
    ):  # fmt: skip
        attributes.setdefault(row["label_id"], []).append(
            {"id": row["id"], "name": row["name"], "mutable": bool(row["mutable"]), "input_type": row["input_type"],
             "default_value": row["default_value"], "values": row["values"].split("\n")}
        )  # fmt: skip
    found: dict[int, list[dict[str, Any]]] = {}
    for row in labels:
        found.setdefault(row["task_id"], []).append(
            {"id": row["id"], "name": row["name"], "attributes": attributes.get(row["id"], [])}
        )
    return found
