"""Projects of 2.x: their labels are those of all of their tasks, which are deleted with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state import label_sets, tasks, webhooks
from cvat_sandbox.state.database import Database, now
from cvat_sandbox.state.label_sets import Owner

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


def create(db: Database, values: dict[str, Any], labels: Sequence[dict[str, Any]]) -> int:
    """Create a project with labels; publish the change and return its id. Raises Rejected.

    A project that is refused uses an id up, as on the real server.
    """
    with db.transaction():
        key = db.insert("project", created_date=now(), updated_date=now(), **values)
        label_sets.create(db, Owner("project", key), labels)
    db.events.publish("create", "project", key)
    return key


def change(db: Database, project: sqlite3.Row, values: dict[str, Any], labels: Sequence[dict[str, Any]]) -> None:
    """Change columns and labels of a project, and publish the change. Raises Rejected."""
    changed = {**values, "updated_date": now()}
    if values.get("assignee", project["assignee"]) != project["assignee"]:
        changed["assignee_updated_date"] = now()
    with db.transaction():
        label_sets.update(db, Owner("project", project["id"]), labels)
        db.update("project", project["id"], changed)
    db.events.publish("update", "project", project["id"], project)


def remove(db: Database, project: sqlite3.Row) -> list[sqlite3.Row]:
    """Delete a project with its tasks, labels and webhooks; publish all of it. Return the deleted tasks."""
    contained = db.all("SELECT * FROM task WHERE project_id = ? ORDER BY id", project["id"])
    for task in contained:
        tasks.remove(db, task)
    db.events.publish("delete", "project", project["id"], project)
    with db.transaction():
        webhooks.delete_of_project(db, project["id"])
        db.execute("DELETE FROM attribute WHERE label_id IN (SELECT id FROM label WHERE project_id = ?)", project["id"])
        for table in ("label", "quality_settings", "quality_report"):
            db.execute(f"DELETE FROM {table} WHERE project_id = ?", project["id"])  # noqa: S608 - the names are constants
        db.execute("DELETE FROM project WHERE id = ?", project["id"])
    return contained


@dataclass(frozen=True)
class Contents:
    """What a project shows of its tasks."""

    count: int = 0
    dimension: str | None = None
    """That of the first task."""
    subsets: tuple[str, ...] = ()
    """The subsets of the tasks, that of the newest task first."""


def contents(db: Database, project_ids: Sequence[int]) -> dict[int, Contents]:
    """Return the contents of several projects; one without tasks has none."""
    found: dict[int, list[sqlite3.Row]] = {}
    for row in db.all(
        "SELECT project_id, subset, COUNT(*) AS count, MIN(id) AS first, MAX(id) AS last, dimension FROM task "
        "WHERE project_id IN (SELECT value FROM json_each(?)) GROUP BY project_id, subset ORDER BY last DESC",
        json.dumps(list(project_ids)),
    ):
        found.setdefault(row["project_id"], []).append(row)
    return {key: _contents(rows) for key, rows in found.items()}


def _contents(rows: list[sqlite3.Row]) -> Contents:
    first = min(rows, key=lambda row: int(row["first"]))
    subsets = tuple(row["subset"] for row in rows if row["subset"])
    return Contents(sum(row["count"] for row in rows), first["dimension"] or None, subsets)
