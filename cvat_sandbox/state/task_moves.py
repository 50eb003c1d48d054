"""Moves of tasks into projects: each label of the task becomes the label of the project with the same name.

Attribute values are lost on the way, as on the real server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Crash

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from cvat_sandbox.state.database import Database

KINDS = ("tag", "shape", "track")


class UnmappedLabels(Exception):
    """A label of the task has no label of the same name in the project."""

    def __init__(self) -> None:
        super().__init__("All task or project label names must be mapped to the target project")


def move(db: Database, task: sqlite3.Row, project_id: int | None, renamed: Sequence[Mapping[str, Any]]) -> None:
    """Move the labels and annotations of a task into a project.

    renamed: labels of the task with an `id` and the `name` of a label of the project. Raises UnmappedLabels, and Crash
    for a task that should leave its project.
    """
    if project_id == task["project_id"]:
        return
    if project_id is None:
        raise Crash("AttributeError: a task cannot leave its project")
    names = {label["id"]: label["name"] for label in renamed if "id" in label and "name" in label}
    old = _by_name(db, *_owner(task), names)
    new = _by_name(db, "project_id", project_id, {})
    if not _parents(old) <= _parents(new) or any(_children(old, name) != _children(new, name) for name in _split(old)):
        raise UnmappedLabels
    ids = {old[name]: new[name] for name in old}
    with db.transaction():
        for kind in KINDS:
            _remap(db, kind, task["id"], ids)
        db.execute("DELETE FROM attribute WHERE label_id IN (SELECT id FROM label WHERE task_id = ?)", task["id"])
        db.execute("DELETE FROM label WHERE task_id = ?", task["id"])


Name = tuple[str, str]
"""The name of a label's parent, empty without one, and its own name."""


def _owner(task: sqlite3.Row) -> tuple[str, int]:
    return ("task_id", task["id"]) if task["project_id"] is None else ("project_id", task["project_id"])


def _by_name(db: Database, column: str, key: int, names: Mapping[int, str]) -> dict[Name, int]:
    """Return the ids of all labels by name. names: other names than they have now."""
    rows = db.all(f"SELECT id, name, parent_id FROM label WHERE {column} = ?", key)  # noqa: S608 - the names are constants
    shown = {row["id"]: names.get(row["id"], row["name"]) for row in rows}
    return {(shown.get(row["parent_id"], ""), shown[row["id"]]): row["id"] for row in rows}


def _parents(labels: Mapping[Name, int]) -> set[str]:
    return {name for parent, name in labels if not parent}


def _split(labels: Mapping[Name, int]) -> set[str]:
    """Return the names of the labels with sublabels."""
    return {parent for parent, _ in labels if parent}


def _children(labels: Mapping[Name, int], parent: str) -> set[str]:
    return {name for above, name in labels if above == parent}


def _remap(db: Database, kind: str, task_id: int, ids: Mapping[int, int]) -> None:
    sql = f"SELECT id, body FROM {kind} WHERE job_id IN (SELECT id FROM job WHERE task_id = ?)"  # noqa: S608 - the names are constants
    for row in db.all(sql, task_id):
        db.update(kind, row["id"], {"body": json.dumps(_remapped(json.loads(row["body"]), ids))})


def _remapped(body: dict[str, Any], ids: Mapping[int, int]) -> dict[str, Any]:
    """Return an annotation with new labels and without attribute values."""
    changed = dict(body)
    if "label_id" in changed:
        changed["label_id"] = ids.get(changed["label_id"], changed["label_id"])
    if "attributes" in changed:
        changed["attributes"] = []
    for name in ("shapes", "elements"):
        if changed.get(name):
            changed[name] = [_remapped(item, ids) for item in changed[name]]
    return changed
