"""The bodies of webhooks: what a change of an object looks like to the webhooks that ask for it.

A body is made at the moment of the change, with the eyes of the user who made it. The change of a worker has no user's
request behind it: addresses are without a server, and names that depend on permissions are missing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flask

from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.state import jobs as job_rows
from cvat_sandbox.state import webhooks
from cvat_sandbox.state.events import Event
from cvat_sandbox.state.users import User
from cvat_sandbox.v2 import invitations, issues, jobs, memberships, organizations, permissions
from cvat_sandbox.v2.representations import jobs_json, person_json, projects_json, rows_of, tasks_json
from cvat_sandbox.v2.request import OrganizationRequest

_COMMON = ("updated_date",)
_ASSIGNED = ("assignee", "assignee_updated_date")
COMPARED = {
    "task": (*_COMMON, "name", *_ASSIGNED, "owner", "bug_tracker", "overlap", "segment_size", "status", "data_id",
             "dimension", "mode", "subset", "project_id"),
    "job": (*_COMMON, *_ASSIGNED, "status", "stage", "state"),
    "project": (*_COMMON, "name", *_ASSIGNED, "owner", "bug_tracker", "status"),
    "issue": (*_COMMON, "frame", "position", *_ASSIGNED, "resolved"),
    "comment": (*_COMMON, "message"),
    "organization": (*_COMMON, "slug", "name", "description", "contact"),
    "membership": ("role", "is_active", "joined_date"),
}  # fmt: skip
"""The columns whose changes a body shows, by kind of object."""
_NAMES = {"owner": "owner_id", "assignee": "assignee_id"}
"""The names of columns in bodies."""
_READ: dict[str, Callable[[Any], Any]] = {"resolved": bool, "is_active": bool, "position": json.loads,
                                          "contact": json.loads}  # fmt: skip
"""How columns become JSON."""


@dataclass(frozen=True)
class View:
    """Who looks at an object: the user of a request, or a worker, which has none."""

    sandbox: Sandbox
    user: User | None
    request: OrganizationRequest | None

    @property
    def root(self) -> str:
        """The address of the server, as far as it is known."""
        return self.request.url("") if self.request else ""

    @property
    def sender(self) -> dict[str, Any]:
        """The user as bodies show the sender."""
        if self.user is None:
            return {}
        if self.request is None:
            return {"id": self.user.id, "username": self.user.username, "email": self.user.email}
        return person_json(self.user, self.root)


def listen(sandbox: Sandbox) -> None:
    """Queue deliveries at each later event, and send them."""
    sandbox.db.events.subscribe(lambda event: _published(sandbox, event))
    sandbox.deliveries.start()


def _published(sandbox: Sandbox, event: Event) -> None:
    key = f"{event.action}:{event.kind}"
    hooks = webhooks.concerned(sandbox.db, key, event.kind, event.id)
    if not hooks:
        return
    body = _body(_view(sandbox, event.actor), event)
    for hook in hooks:
        payload = {"event": key, "webhook_id": hook["id"], **body}
        webhooks.queue(sandbox.db, hook["id"], json.dumps(payload))
    sandbox.deliveries.wake()


def _view(sandbox: Sandbox, actor: int | None) -> View:
    user = sandbox.users.get(actor) if actor is not None else None
    if user is None or not flask.has_request_context():
        return View(sandbox, user, None)
    http = flask.request._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - documented by werkzeug
    return View(sandbox, user, OrganizationRequest(sandbox, http, authenticated=user))


def _body(view: View, event: Event) -> dict[str, Any]:
    body = {event.kind: SHOWN[event.kind](view, event.id), "sender": view.sender}
    if event.action == "update" and event.before is not None:
        changes = _changes(view, event, event.before)
        body["before_update"] = {name: change["from"] for name, change in changes.items()}
        body["changes"] = changes
    return body


def _changes(view: View, event: Event, before: sqlite3.Row) -> dict[str, dict[str, Any]]:
    """Return the changed columns with their old and new values."""
    now = view.sandbox.db.one(f"SELECT * FROM {event.kind} WHERE id = ?", event.id)  # noqa: S608 - the names are constants
    if now is None:
        return {}
    changes = {
        _NAMES.get(name, name): {"from": _value(name, before[name]), "to": _value(name, now[name])}
        for name in COMPARED[event.kind]
        if before[name] != now[name]
    }
    if event.kind == "task" and "mode" in changes:
        changes["media_type"] = {edge: "image" if mode else "" for edge, mode in changes["mode"].items()}
    return changes


def _value(name: str, value: Any) -> Any:
    return _READ[name](value) if name in _READ and value is not None else value


# -- objects


def _job(view: View, key: int) -> dict[str, Any]:
    if view.request is not None:
        return jobs.job_json(view.request, key)
    db = view.sandbox.db
    [shown] = jobs_json(db, job_rows.several(db, [key]), "", hidden=frozenset({key}))
    return {**shown, "issues": None, "frame_count": _known_frames(shown)}


def _known_frames(job: dict[str, Any]) -> int:
    """Return the number of frames of a job. Until the data is saved, only the first frame of the task counts."""
    return int(job["frame_count"]) if job["mode"] else int(job["start_frame"] == 0)


def _task(view: View, key: int) -> dict[str, Any]:
    db = view.sandbox.db
    [row] = rows_of(db, "task", [key])
    [shown] = tasks_json(db, [row], view.root)
    return shown if _sees_project(view, row["project_id"]) else {**shown, "project_name": None}


def _sees_project(view: View, project_id: int | None) -> bool:
    if view.request is None or project_id is None:
        return False
    [project] = rows_of(view.sandbox.db, "project", [project_id])
    return permissions.can(view.request, "project", "view", project)


def _project(view: View, key: int) -> dict[str, Any]:
    db = view.sandbox.db
    return projects_json(db, rows_of(db, "project", [key]), view.root)[0]


def _of_request(show: Callable[[OrganizationRequest, int], dict[str, Any]]) -> Callable[[View, int], dict[str, Any]]:
    """Return how an object looks that only requests change, never workers."""

    def shown(view: View, key: int) -> dict[str, Any]:
        assert view.request is not None
        return show(view.request, key)

    return shown


SHOWN: dict[str, Callable[[View, int], dict[str, Any]]] = {
    "task": _task, "job": _job, "project": _project, "issue": _of_request(issues.issue_json),
    "comment": _of_request(issues.comment_json), "organization": _of_request(organizations.organization_json),
    "membership": _of_request(memberships.membership_json), "invitation": _of_request(invitations.invitation_json),
}  # fmt: skip
"""The JSON of an object, by its kind."""
