"""Endpoints for projects."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response

from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.responses import ApiResponse, plain
from cvat_sandbox.state import projects, tasks
from cvat_sandbox.v2 import data, permissions, serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import projects_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.tasks import columns_of

LISTING = Listing(
    "project t", "t.id",
    {
        "id": Column("t.id", "number"), "name": Column("t.name"), "updated_date": Column("t.updated_date"),
        "owner": Column("(SELECT username FROM user WHERE id = t.owner)"),
        "assignee": Column("(SELECT username FROM user WHERE id = t.assignee)"),
        "status": Column("t.status", "choice", tasks.STATUSES),
    },
    simple=("name", "owner", "assignee", "status"), search=("name", "owner", "assignee", "status"), order="-id",
)  # fmt: skip
PEOPLE = ("owner_id", "assignee_id")
ACTIONS = {
    **dict.fromkeys(("name", "labels", "bug_tracker"), "update"),
    **dict.fromkeys(("source_storage", "target_storage"), "change storage"),
    **dict.fromkeys(("organization", "organization_id"), "change organization"),
    "owner_id": "change owner", "assignee_id": "assign",
}  # fmt: skip
"""The fields that a PATCH may change, and the action that each is."""


def list_projects(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the projects that the user sees, newest first."""
    return listed(request, LISTING, permissions.visible(request, "project"), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    return projects_json(db, rows_of(db, "project", ids), request.url(""))


def create_project(request: OrganizationRequest) -> ApiResponse:
    """Create a project. The user owns it, and it belongs to the organization that the request names."""
    permissions.check_creation(request, "project")
    organization_id, body = request.organization.id, request.body
    _check_people(request, body, organization_id)
    values = columns_of(request, serializers.PROJECT.run_validation(body))
    labels = values.pop("labels", [])
    values = {"owner": request.user.id, **values, "organization_id": organization_id}
    key = projects.create(request.sandbox.db, values, labels)
    return ApiResponse(_shown(request, [key])[0], 201, {"Location": request.url(f"/api/projects/{key}")})


def _check_people(request: OrganizationRequest, body: Any, organization_id: int | None) -> None:
    """Raise PermissionDenied for an owner or assignee to whom the user may not give work."""
    for name in PEOPLE:
        if isinstance(body, dict) and name in body:
            permissions.check_assignee(request, body[name], organization_id)


def _permitted(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    project = request.find("project", pk)
    permissions.check(request, "project", action, project)
    return project


def get_project(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a project."""
    return ApiResponse(_shown(request, [_permitted(request, pk, "view")["id"]])[0])


def update_project(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a project and its labels. The annotations of a deleted label are deleted, too."""
    project, body = request.find("project", pk), request.body
    _check_update(request, project, body)
    values = columns_of(request, serializers.PROJECT.run_validation(body, partial=True))
    labels = values.pop("labels", [])
    projects.change(request.sandbox.db, project, values, labels)
    return ApiResponse(_shown(request, [project["id"]])[0])


def _check_update(request: OrganizationRequest, project: sqlite3.Row, body: Any) -> None:
    actions = permissions.check_fields(body, ACTIONS) or {"update"}
    for action in actions:
        permissions.check(request, "project", action, project)
    if "change organization" in actions:
        raise ApiException(501, {"detail": "The sandbox does not move projects between organizations."})
    _check_people(request, body, project["organization_id"])


def delete_project(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a project with its tasks."""
    project = _permitted(request, pk, "delete")
    for task in projects.remove(request.sandbox.db, project):
        request.sandbox.delete_files(task["id"], task["data_id"])
    return ApiResponse(status=204)


def get_preview(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Return a small JPEG of the first frame of the newest task."""
    project = _permitted(request, pk, "view")
    sql = "SELECT id FROM task WHERE project_id = ? ORDER BY id DESC LIMIT 1"
    task = request.sandbox.db.one(sql, project["id"])
    if task is None:
        return plain("Project image preview not found", 404)
    return data.get_task_preview(request, str(task["id"]))


ENDPOINTS = [
    Endpoint("/api/projects", {"GET": list_projects, "POST": create_project}, "Project List"),
    Endpoint("/api/projects/<pk>",
             {"GET": get_project, "PATCH": update_project, "DELETE": delete_project}, "Project Instance"),
    Endpoint("/api/projects/<pk>/preview", {"GET": get_preview}, "Preview"),
]  # fmt: skip
