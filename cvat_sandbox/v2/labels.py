"""Endpoints for labels."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import jobs, label_sets
from cvat_sandbox.v2 import permissions, serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Condition, Listing, listed
from cvat_sandbox.v2.representations import rows_of
from cvat_sandbox.v2.request import OrganizationRequest

LISTING = Listing(
    "label l", "l.id",
    {
        "id": Column("l.id", "number"), "name": Column("l.name"), "type": Column("l.type", "choice", label_sets.TYPES),
        "color": Column("l.color"), "parent_id": Column("NULLIF(l.parent_id, 0)", "number"),
    },
    simple=("name", "type", "color"), search=("name",), order="id",
)  # fmt: skip


def list_labels(request: OrganizationRequest) -> ApiResponse:
    """Return a page of labels without their sublabels: those of a task, job or project, or all that the user sees."""
    condition, values = _visible(request)
    return listed(request, LISTING, (f"l.parent_id = 0 AND ({condition})", values), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    return label_sets.described(db, rows_of(db, "label", ids))


def _visible(request: OrganizationRequest) -> Condition:
    """Return the condition for the labels that the query names. An owner that does not exist crashes."""
    db, query = request.sandbox.db, request.query
    for name in ("job", "task", "project"):
        if not query.get(f"{name}_id"):
            continue
        key = parse_id(query[f"{name}_id"])
        row = jobs.find(db, key) if name == "job" else db.one(f"SELECT * FROM {name} WHERE id = ?", key)  # noqa: S608 - the names are constants
        if row is None:
            raise Crash(f"DoesNotExist: {name} matching query does not exist.")
        permissions.check(request, name, "view", row)
        return _of(row, name)
    tasks, projects = permissions.visible(request, "task"), permissions.visible(request, "project")
    condition = (
        f"l.task_id IN (SELECT t.id FROM task t WHERE {tasks[0]}) "  # noqa: S608 - the names are constants
        f"OR l.project_id IN (SELECT t.id FROM project t WHERE {projects[0]})"
    )
    return condition, [*tasks[1], *projects[1]]


def _of(row: sqlite3.Row, kind: str) -> Condition:
    if kind == "project":
        return "l.project_id = ?", [row["id"]]
    if row["project_id"] is not None:
        return "l.project_id = ?", [row["project_id"]]
    return "l.task_id = ?", [row["task_id"] if kind == "job" else row["id"]]


def _permitted(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the label of a path; raises NotFound, or PermissionDenied by the task or project of the label."""
    label = request.find("label", pk)
    owner = label_sets.owner_of(label)
    row = request.sandbox.db.one(f"SELECT * FROM {owner.kind} WHERE id = ?", owner.id)  # noqa: S608 - the names are constants
    assert row is not None
    permissions.check(request, owner.kind, action, row)
    return label


def get_label(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a label."""
    return ApiResponse(_shown(request, [_permitted(request, pk, "view")["id"]])[0])


def update_label(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a label."""
    label = _permitted(request, pk, "update")
    values = serializers.LABEL.run_validation(request.body, partial=True)
    label_sets.change(request.sandbox.db, label, values)
    return ApiResponse(_shown(request, [label["id"]])[0])


def delete_label(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a label with its annotations."""
    label_sets.delete(request.sandbox.db, _permitted(request, pk, "update"))
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/labels", {"GET": list_labels}, "Label List"),
    Endpoint("/api/labels/<pk>", {"GET": get_label, "PATCH": update_label, "DELETE": delete_label}, "Label Instance"),
]
