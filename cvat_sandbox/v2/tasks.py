"""Endpoints for tasks."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import cloud_storages, label_sets, task_moves, tasks
from cvat_sandbox.state.label_sets import Owner
from cvat_sandbox.v2 import permissions, serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import rows_of, tasks_json
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.task_fields import TASK_FIELDS
from cvat_sandbox.workers.task_data import rq_id_of

STATUSES = ("annotation", "validation", "completed")
_OWNER = "(SELECT username FROM user WHERE id = t.owner)"
_ASSIGNEE = "(SELECT username FROM user WHERE id = t.assignee)"
_PROJECT = "(SELECT name FROM project WHERE id = t.project_id)"
_DATA = "(SELECT {} FROM data WHERE id = t.data_id)"
LISTING = Listing(
    "task t", "t.id",
    {
        "id": Column("t.id", "number"), "name": Column("t.name"), "owner": Column(_OWNER),
        "assignee": Column(_ASSIGNEE), "status": Column("t.status", "choice", STATUSES), "subset": Column("t.subset"),
        "mode": Column("t.mode"), "dimension": Column("t.dimension", "choice", ("3d", "2d", "1d", "")),
        "project_id": Column("t.project_id", "number"), "project_name": Column(_PROJECT),
        "updated_date": Column("t.updated_date"), "tracker_link": Column("t.bug_tracker"),
        "validation_mode": Column(_DATA.format("validation_mode"), "choice", ("gt", "gt_pool")),
    },
    simple=("name", "owner", "assignee", "status", "subset", "mode", "dimension", "project_id", "project_name",
            "tracker_link", "validation_mode"),
    search=("project_name", "name", "owner", "status", "assignee", "subset", "mode", "dimension", "tracker_link"),
    order="-id",
)  # fmt: skip
ACTIONS = {
    **dict.fromkeys(("name", "labels", "bug_tracker", "subset"), "update"),
    **dict.fromkeys(("owner_id", "assignee_id", "project_id", "organization_id"), "assign"),
    **dict.fromkeys(("source_storage", "target_storage"), "change storage"),
}
"""The fields that a PATCH may change, and the action that each is."""
COLUMNS = {"owner_id": "owner", "assignee_id": "assignee"}
"""The fields whose columns have another name."""


def permitted_task(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the task of a path; raises NotFound, or PermissionDenied if the user may not `action` it."""
    task = request.find("task", pk)
    permissions.check(request, "task", action, task)
    return task


def list_tasks(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the tasks that the user sees, newest first."""
    return listed(request, LISTING, permissions.visible(request, "task"), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    return tasks_json(db, rows_of(db, "task", ids), request.url(""))


def create_task(request: OrganizationRequest) -> ApiResponse:
    """Create a task without data. The user owns it, and it belongs to the organization that the request names."""
    db, body = request.sandbox.db, request.body
    organization_id = _check_creation(request, body)
    values = columns_of(request, serializers.TASK.run_validation(body))
    labels = values.pop("labels", [])
    if labels and values.get("project_id") is not None:
        raise ValidationError(["Task must have only one of Label set or project_id"])
    task_id = tasks.create_with_labels(
        db, {"owner": request.user.id, **values, "organization_id": organization_id}, labels
    )
    return ApiResponse(_shown(request, [task_id])[0], 201, {"Location": request.url(f"/api/tasks/{task_id}")})


def _check_creation(request: OrganizationRequest, body: Any) -> int | None:
    """Check who creates the task, for whom and where; return the organization that it will belong to."""
    fields = body if isinstance(body, dict) else {}
    organization_id = request.organization.id
    if fields.get("project_id") is not None:
        project = _project(request, fields["project_id"])
        permissions.check_creation_in_project(request, project)
        organization_id = project["organization_id"]
    else:
        permissions.check_creation(request, "task")
    permissions.check_assignee(request, fields.get("assignee_id"), organization_id)
    permissions.check_assignee(request, fields.get("owner_id"), organization_id)
    return organization_id


def _project(request: OrganizationRequest, project_id: Any) -> sqlite3.Row:
    project = request.sandbox.db.one("SELECT * FROM project WHERE id = ?", project_id)
    if project is None:
        raise ValidationError(["Project matching query does not exist."])
    return project


def columns_of(request: OrganizationRequest, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a body as columns of the tables of tasks and projects. Raises Rejected."""
    columns = {COLUMNS.get(name, name): value for name, value in values.items()}
    for name in ("source_storage", "target_storage"):
        if columns.get(name) is not None:
            columns[name] = cloud_storages.location(request.sandbox.db, columns[name])
    return columns


def get_task(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a task."""
    return ApiResponse(_shown(request, [permitted_task(request, pk, "view")["id"]])[0])


def update_task(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a task. A task cannot be moved into an organization."""
    task, body = request.find("task", pk), request.body
    _check_update(request, task, body)
    values = columns_of(request, serializers.TASK.run_validation(body, partial=True))
    labels = values.pop("labels", [])
    if "organization_id" in values:
        raise Crash("AttributeError: the organization of a task cannot be changed")
    db = request.sandbox.db
    try:
        with db.transaction():
            if "project_id" in values:
                task_moves.move(db, task, values["project_id"], labels)
            elif task["project_id"] is None:  # the labels of a project are changed there
                label_sets.update(db, Owner("task", task["id"]), labels)
            if values or task["project_id"] is None:
                tasks.change(db, task, values)
    except task_moves.UnmappedLabels as error:
        raise ValidationError({"non_field_errors": [str(error)]}) from None
    return ApiResponse(_shown(request, [task["id"]])[0])


def _check_update(request: OrganizationRequest, task: sqlite3.Row, body: Any) -> None:
    for action in permissions.check_fields(body, ACTIONS) or {"update"}:
        permissions.check(request, "task", action, task)
    if body.get("project_id") is not None:
        permissions.check(request, "project", "view", _project(request, body["project_id"]))
    for name in ("assignee_id", "owner_id"):
        permissions.check_assignee(request, body.get(name), task["organization_id"])


def delete_task(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a task. While a worker makes its frames, this crashes and the task remains."""
    task = permitted_task(request, pk, "delete")
    if request.sandbox.requests.has_worker(rq_id_of(task["id"])):
        raise Crash("IntegrityError: the worker has inserted segments meanwhile")
    tasks.remove(request.sandbox.db, task)
    request.sandbox.delete_files(task["id"], task["data_id"])
    return ApiResponse(status=204)


def get_status(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return the state of the request that makes the frames; Finished for a task without data. It is deprecated."""
    task = permitted_task(request, pk, "view")
    row = request.sandbox.requests.get(rq_id_of(task["id"]))
    state, message = (row["state"], row["message"]) if row else ("finished", "")
    shown = {"state": state.capitalize(), "message": message.strip(), "progress": 0.0}
    return ApiResponse(shown, headers={"Deprecation": "true"})


ENDPOINTS = [
    Endpoint("/api/tasks", {"GET": list_tasks, "POST": create_task}, "Task List", actions={"POST": TASK_FIELDS}),
    Endpoint("/api/tasks/<pk>", {"GET": get_task, "PATCH": update_task, "DELETE": delete_task}, "Task Instance"),
    Endpoint("/api/tasks/<pk>/status", {"GET": get_status}, "Status"),
]
