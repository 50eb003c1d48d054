"""Webhooks of 2.x: which events there are, which webhooks an event concerns, and the queue of their deliveries.

The queue is a table. A delivery is queued in the transaction of its change, so a change that is rolled back sends
nothing, and a killed server continues with what was left.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.database import Database, now

if TYPE_CHECKING:
    import sqlite3

TYPES = ("project", "organization")
CONTENT_TYPES = ("application/json",)
PING = "ping"
_ALL_ACTIONS = ("create", "update", "delete")
_RESOURCES = {
    "project": ("Project", _ALL_ACTIONS),
    "task": ("Task", _ALL_ACTIONS),
    "job": ("Job", _ALL_ACTIONS),
    "issue": ("Issue", _ALL_ACTIONS),
    "comment": ("Comment", _ALL_ACTIONS),
    "organization": ("Organization", ("update",)),
    "invitation": ("Invitation", ("create", "delete")),
    "membership": ("Membership", _ALL_ACTIONS),
}
"""The name of the group and the events of each kind of object."""
_REQUESTS = {
    "export:annotations": "Dataset export",
    "export:dataset": "Dataset export",
    "export:backup": "Backup export",
    "create:task": "Task data creation",
    "merge:task": "Consensus merge",
    "merge:job": "Consensus merge",
    "calculate:quality": "Quality report creation",
}
"""The name of the group of each kind of request. The sandbox accepts these events and never sends them."""
GROUPS = {
    **{f"{action}:{kind}": group for kind, (group, actions) in _RESOURCES.items() for action in actions},
    **{f"completed:request[{kind}]": group for kind, group in _REQUESTS.items()},
}
"""The name of the group of each event."""
_OF_PROJECTS = ("task", "job", "issue", "comment")
EVENTS: dict[str, tuple[str, ...]] = {
    "all": tuple(GROUPS),
    "organization": tuple(GROUPS),
    "project": (
        *(f"{action}:{kind}" for kind in _OF_PROJECTS for action in _RESOURCES[kind][1]),
        "update:project", "delete:project", *(f"completed:request[{kind}]" for kind in _REQUESTS),
    ),
}  # fmt: skip
"""The events of each type of webhook."""


@dataclass(frozen=True)
class Scope:
    """The project and the organization to which an object belongs."""

    project_id: int | None
    organization_id: int | None


_SCOPES = {
    "project": "SELECT id, organization_id FROM project WHERE id = ?",
    "task": "SELECT project_id, organization_id FROM task WHERE id = ?",
    "job": "SELECT t.project_id, t.organization_id FROM job j JOIN task t ON t.id = j.task_id WHERE j.id = ?",
    "issue": "SELECT t.project_id, t.organization_id FROM issue i JOIN job j ON j.id = i.job_id "
    "JOIN task t ON t.id = j.task_id WHERE i.id = ?",
    "comment": "SELECT t.project_id, t.organization_id FROM comment c JOIN issue i ON i.id = c.issue_id "
    "JOIN job j ON j.id = i.job_id JOIN task t ON t.id = j.task_id WHERE c.id = ?",
    "organization": "SELECT NULL, id FROM organization WHERE id = ?",
    "membership": "SELECT NULL, organization_id FROM membership WHERE id = ?",
    "invitation": "SELECT NULL, m.organization_id FROM invitation i JOIN membership m ON m.id = i.membership_id "
    "WHERE i.id = ?",
}


def concerned(db: Database, event: str, kind: str, key: int) -> list[sqlite3.Row]:
    """Return the active webhooks that ask for an event of an object: of its organization, then of its project."""
    if event not in GROUPS or not db.one("SELECT 1 FROM webhook WHERE is_active LIMIT 1"):
        return []
    scope = _scope(db, kind, key)
    return db.all(
        "SELECT * FROM webhook w WHERE is_active AND ((type = 'organization' AND organization_id = ?) "
        "OR (type = 'project' AND project_id = ?)) AND EXISTS (SELECT 1 FROM json_each(w.events) WHERE value = ?) "
        "ORDER BY type, id", scope.organization_id, scope.project_id, event,
    )  # fmt: skip


def _scope(db: Database, kind: str, key: int) -> Scope:
    row = db.one(_SCOPES[kind], key)
    return Scope(*row) if row else Scope(None, None)


def create(db: Database, values: dict[str, Any]) -> int:
    """Create a webhook and return its id. values: columns, the events as a list. Raises BrokenConstraint."""
    return db.insert("webhook", **_columns(values), created_date=now(), updated_date=now())


def change(db: Database, key: int, values: dict[str, Any]) -> None:
    """Change a webhook. values: columns, the events as a list."""
    db.update("webhook", key, {**_columns(values), "updated_date": now()})


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "events": json.dumps(sorted(set(values["events"])))} if "events" in values else values


def delete(db: Database, key: int) -> None:
    """Delete a webhook with its deliveries, also those not yet sent."""
    _delete(db, "id = ?", key)


def delete_of_project(db: Database, project_id: int) -> None:
    """Delete the webhooks of a project that is deleted."""
    _delete(db, "project_id = ?", project_id)


def delete_of_organization(db: Database, organization_id: int) -> None:
    """Delete the webhooks of an organization that is deleted."""
    _delete(db, "organization_id = ?", organization_id)


def _delete(db: Database, condition: str, key: int) -> None:
    with db.transaction():
        for table in ("webhook_queue", "webhook_delivery"):
            db.execute(f"DELETE FROM {table} WHERE webhook_id IN (SELECT id FROM webhook WHERE {condition})", key)  # noqa: S608 - the names are constants
        db.execute(f"DELETE FROM webhook WHERE {condition}", key)  # noqa: S608 - the names are constants


# -- deliveries


def last_deliveries(db: Database, webhook_ids: list[int]) -> dict[int, sqlite3.Row]:
    """Return the last delivery of each webhook that has one."""
    rows = db.all(
        "SELECT * FROM webhook_delivery WHERE id IN (SELECT MAX(id) FROM webhook_delivery "
        "WHERE webhook_id IN (SELECT value FROM json_each(?)) GROUP BY webhook_id)", json.dumps(webhook_ids),
    )  # fmt: skip
    return {row["webhook_id"]: row for row in rows}


def queue(db: Database, webhook_id: int, payload: str, *, redelivery: bool = False) -> None:
    """Queue a delivery. payload: the JSON of the body."""
    db.insert("webhook_queue", webhook_id=webhook_id, payload=payload, redelivery=redelivery, due=time.time())


def with_due_deliveries(db: Database) -> list[int]:
    """Return the ids of the webhooks that have queued deliveries whose time has come."""
    rows = db.all("SELECT DISTINCT webhook_id FROM webhook_queue WHERE due <= ?", time.time())
    return [row["webhook_id"] for row in rows]


def next_delivery(db: Database, webhook_id: int) -> sqlite3.Row | None:
    """Return the queued delivery of a webhook that has been due for the longest time, or None."""
    return db.one(
        "SELECT * FROM webhook_queue WHERE webhook_id = ? AND due <= ? ORDER BY due, id LIMIT 1", webhook_id,
        time.time(),
    )  # fmt: skip


def next_due(db: Database) -> float | None:
    """Return the time of the next delivery after now, or None."""
    row = db.one("SELECT MIN(due) FROM webhook_queue WHERE due > ?", time.time())
    return row[0] if row else None


def postpone(db: Database, queued: sqlite3.Row, delay: float) -> None:
    """Queue a failed delivery again, as the next attempt after `delay` seconds."""
    db.update("webhook_queue", queued["id"], {"attempt": queued["attempt"] + 1, "due": time.time() + delay})


def is_queued(db: Database, queued: sqlite3.Row) -> bool:
    """Return whether a delivery is still queued; it is not when its webhook has been deleted."""
    return db.one("SELECT 1 FROM webhook_queue WHERE id = ?", queued["id"]) is not None


def dequeue(db: Database, queued: sqlite3.Row) -> None:
    """Remove a delivery from the queue."""
    db.execute("DELETE FROM webhook_queue WHERE id = ?", queued["id"])
