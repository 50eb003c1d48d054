"""The labels of a task or project in 2.x: with a type, a colour, attributes and, for skeletons, sublabels.

All names of a set differ. A write is one transaction: it happens completely or not at all.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cvat_sandbox.errors import Rejected
from cvat_sandbox.state.label_colors import color_of

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

TYPES = (
    "any",
    "cuboid",
    "ellipse",
    "mask",
    "points",
    "polygon",
    "polyline",
    "rectangle",
    "skeleton",
    "interval",
    "tag",
)
NOT_UNIQUE = "All label names must be unique"
INPUT_TYPES = ("checkbox", "radio", "number", "text", "select")


@dataclass(frozen=True)
class Owner:
    """The task or project whose labels these are."""

    kind: Literal["task", "project"]
    id: int

    @property
    def column(self) -> str:
        """The column of the label table that refers to the owner."""
        return f"{self.kind}_id"


def owner_of(label: sqlite3.Row) -> Owner:
    """Return the owner of a label."""
    if label["project_id"] is not None:
        return Owner("project", label["project_id"])
    return Owner("task", label["task_id"])


def create(db: Database, owner: Owner, labels: Sequence[dict[str, Any]], parent: int = 0) -> dict[str, int]:
    """Insert labels; return their ids by name. Raises Rejected for names that are not unique."""
    _check_names(label["name"] for label in labels)
    ids = {}
    with db.transaction():
        for label in labels:
            ids[label["name"]] = _insert(db, owner, label, parent, [item.get("color", "") for item in labels])
    return ids


def _check_names(names: Iterable[str]) -> None:
    known = list(names)
    if len(set(known)) < len(known):
        raise Rejected(NOT_UNIQUE)


def _insert(db: Database, owner: Owner, label: dict[str, Any], parent: int, used: Sequence[str]) -> int:
    same = f"SELECT 1 FROM label WHERE {owner.column} = ? AND parent_id = ? AND name = ?"  # noqa: S608 - the names are constants
    if db.one(same, owner.id, parent, label["name"]):
        raise Rejected(NOT_UNIQUE)
    color = label.get("color") or color_of(label["name"], {*used, *_colors(db, owner)})
    label_id = db.insert(
        "label", name=label["name"], parent_id=parent, color=color, type=label.get("type", "any"),
        **{owner.column: owner.id},
    )  # fmt: skip
    for attribute in label.get("attributes", []):
        _insert_attribute(db, label_id, attribute)
    sublabels = create(db, owner, label.get("sublabels", []), label_id)
    db.execute("UPDATE label SET svg = ? WHERE id = ?", _with_ids(label.get("svg", ""), sublabels), label_id)
    return label_id


def _colors(db: Database, owner: Owner, but: int = 0) -> list[str]:
    """Return the colours of the labels of an owner without that of the label `but`."""
    sql = f"SELECT color FROM label WHERE {owner.column} = ? AND parent_id = 0 AND id != ?"  # noqa: S608 - the names are constants
    return [row["color"] for row in db.all(sql, owner.id, but)]


def _with_ids(svg: str, sublabels: dict[str, int]) -> str:
    """Return the drawing of a skeleton with the ids of its sublabels instead of their names."""

    def replaced(match: re.Match[str]) -> str:
        name = html.unescape(match[1])
        return f'data-label-id="{sublabels[name]}"' if name in sublabels else match[0]

    return re.sub(r'data-label-name="([^"]*)"', replaced, svg)


def _insert_attribute(db: Database, label_id: int, attribute: dict[str, Any]) -> None:
    if db.one("SELECT 1 FROM attribute WHERE label_id = ? AND name = ?", label_id, attribute["name"]):
        raise Rejected(f"Duplicate attribute with name '{attribute['name']}' exists")
    db.insert("attribute", label_id=label_id, **_attribute_values(attribute))


def _attribute_values(attribute: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: attribute[name] for name in ("name", "mutable", "input_type") if name in attribute}
    values["default_value"] = attribute.get("default_value", "")
    values["values"] = "\n".join(attribute.get("values", []))
    return values


def update(db: Database, owner: Owner, labels: Sequence[dict[str, Any]]) -> None:
    """Change, delete (`deleted`) or insert the labels of an owner: those with an id exist. Raises Rejected."""
    with db.transaction():
        for label in labels:
            if "id" in label:
                row = db.one("SELECT * FROM label WHERE id = ?", label["id"])
                if row is None or owner_of(row) != owner:
                    raise Rejected(f"Not found label with id #{label['id']} to change")
                if label.get("deleted"):
                    delete(db, row)
                else:
                    change(db, row, label)
            else:
                _insert(db, owner, label, 0, [])
        rows = db.all(f"SELECT name FROM label WHERE {owner.column} = ? AND parent_id = 0", owner.id)  # noqa: S608 - the names are constants
        _check_names(row["name"] for row in rows)


def change(db: Database, label: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change a label. Without a colour in `values` it gets a new one, as on the real server. Raises Rejected."""
    owner = owner_of(label)
    columns: dict[str, Any] = {name: values[name] for name in ("name", "type") if name in values}
    others = _colors(db, owner, but=label["id"])
    columns["color"] = values.get("color") or color_of(columns.get("name", label["name"]), others)
    with db.transaction():
        same = f"SELECT 1 FROM label WHERE {owner.column} = ? AND parent_id = ? AND name = ? AND id != ?"  # noqa: S608 - the names are constants
        if "name" in values and db.one(same, owner.id, label["parent_id"], values["name"], label["id"]):
            raise Rejected(NOT_UNIQUE)
        db.update("label", label["id"], columns)
        for attribute in values.get("attributes", []):
            _change_attribute(db, label["id"], attribute)


def _change_attribute(db: Database, label_id: int, attribute: dict[str, Any]) -> None:
    key = attribute.get("id")
    if key is None:
        _insert_attribute(db, label_id, attribute)
        return
    if db.one("SELECT 1 FROM attribute WHERE id = ? AND label_id = ?", key, label_id) is None:
        raise Rejected(f"Attribute with id #{key} does not exist")
    if attribute.get("deleted"):
        db.execute("DELETE FROM attribute WHERE id = ?", key)
    else:
        db.update("attribute", key, _attribute_values(attribute))


def delete(db: Database, label: sqlite3.Row) -> None:
    """Delete a label with its sublabels, attributes and annotations."""
    ids = json.dumps([label["id"], *(row["id"] for row in _children(db, label["id"]))])
    with db.transaction():
        for kind in ("tag", "shape", "track", "interval"):
            db.execute(
                f"DELETE FROM {kind} WHERE json_extract(body, '$.label_id') IN (SELECT value FROM json_each(?))",  # noqa: S608 - the names are constants
                ids,
            )
        db.execute("DELETE FROM attribute WHERE label_id IN (SELECT value FROM json_each(?))", ids)
        db.execute("DELETE FROM label WHERE id IN (SELECT value FROM json_each(?))", ids)


def _children(db: Database, label_id: int) -> list[sqlite3.Row]:
    return db.all("SELECT * FROM label WHERE parent_id = ? ORDER BY id", label_id)


def of(db: Database, owner: Owner) -> list[dict[str, Any]]:
    """Return the labels of an owner as the API shows them."""
    rows = db.all(f"SELECT * FROM label WHERE {owner.column} = ? AND parent_id = 0 ORDER BY id", owner.id)  # noqa: S608 - the names are constants
    return described(db, rows)


def described(db: Database, labels: Sequence[sqlite3.Row]) -> list[dict[str, Any]]:
    """Return labels as the API shows them, with their attributes and sublabels, in three queries."""
    ids = json.dumps([label["id"] for label in labels])
    children = db.all("SELECT * FROM label WHERE parent_id IN (SELECT value FROM json_each(?)) ORDER BY id", ids)
    every = json.dumps([label["id"] for label in [*labels, *children]])
    attributes: dict[int, list[dict[str, Any]]] = {}
    for row in db.all("SELECT * FROM attribute WHERE label_id IN (SELECT value FROM json_each(?)) ORDER BY id", every):
        attributes.setdefault(row["label_id"], []).append(_attribute(row))
    sublabels: dict[int, list[dict[str, Any]]] = {}
    for row in children:
        sublabels.setdefault(row["parent_id"], []).append(_described(row, attributes))
    return [_described(row, attributes, sublabels.get(row["id"], [])) for row in labels]


def _attribute(row: sqlite3.Row) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"], "mutable": bool(row["mutable"]), "input_type": row["input_type"],
            "default_value": row["default_value"], "values": row["values"].split("\n")}  # fmt: skip


def _described(
    row: sqlite3.Row, attributes: dict[int, list[dict[str, Any]]], sublabels: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    shown = {"id": row["id"], "name": row["name"], "color": row["color"], "attributes": attributes.get(row["id"], []),
             "type": row["type"], "has_parent": row["parent_id"] != 0}  # fmt: skip
    if row["parent_id"]:
        return shown
    owner = owner_of(row)
    shown |= {"sublabels": sublabels or [], owner.column: owner.id, "parent_id": None}
    return {**shown, "svg": row["svg"]} if row["type"] == "skeleton" else shown
