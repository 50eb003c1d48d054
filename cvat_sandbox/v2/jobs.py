"""Endpoints for jobs."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash, Rejected
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import jobs, validation
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.tasks import STATUSES
from cvat_sandbox.state.validation import Selection, UnsuitableFrames
from cvat_sandbox.v2 import permissions, serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import jobs_json
from cvat_sandbox.v2.request import OrganizationRequest, not_found
from cvat_sandbox.v2.validation_fields import GROUND_TRUTH, check_method

LISTING = Listing(
    "job j JOIN task t ON t.id = j.task_id", "j.id",
    {
        "id": Column("j.id", "number"), "task_id": Column("j.task_id", "number"), "task_name": Column("t.name"),
        "project_id": Column("t.project_id", "number"),
        "project_name": Column("(SELECT name FROM project WHERE id = t.project_id)"),
        "assignee": Column("(SELECT username FROM user WHERE id = j.assignee)"),
        "type": Column("j.type", "choice", jobs.TYPES), "stage": Column("j.stage", "choice", jobs.STAGES),
        "state": Column("j.state", "choice", jobs.STATES), "status": Column("j.status", "choice", STATUSES),
        "dimension": Column("t.dimension", "choice", ("3d", "2d", "1d", "")), "updated_date": Column("j.updated_date"),
        "mode": Column("t.mode"), "parent_job_id": Column("j.parent_job_id", "number"),
    },
    simple=("task_id", "task_name", "project_id", "project_name", "assignee", "type", "stage", "state", "dimension",
            "parent_job_id"),
    search=("task_name", "project_name", "assignee", "state", "stage"), order="-id",
)  # fmt: skip


ACTIONS = {"assignee": "update", "stage": "update", "state": "update state"}
"""The fields that a PATCH may change, and the action that each is."""


def permitted_job(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the job of a path; raises NotFound, or PermissionDenied if the user may not `action` it."""
    job = find_job(request, pk)
    permissions.check(request, "job", action, job)
    return job


def find_job(request: OrganizationRequest, pk: str) -> sqlite3.Row:
    """Return the job of a path; raises NotFound."""
    job = jobs.find(request.sandbox.db, parse_id(pk))
    if job is None:
        raise not_found("job")
    return job


def list_jobs(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the jobs that the user sees, newest first."""
    return listed(request, LISTING, permissions.visible(request, "job"), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    rows = jobs.several(db, ids)
    condition, values = permissions.viewable_tasks(request.user)
    sql = f"SELECT t.id FROM task t WHERE t.id IN (SELECT value FROM json_each(?)) AND ({condition})"  # noqa: S608 - the names are constants
    seen = {row["id"] for row in db.all(sql, json.dumps([row["task_id"] for row in rows]), *values)}
    hidden = frozenset(row["id"] for row in rows if row["task_id"] not in seen)
    return jobs_json(db, rows, request.url(""), hidden=hidden)


def job_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of a job as the user sees it."""
    return _shown(request, [key])[0]


def get_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a job."""
    return ApiResponse(_shown(request, [permitted_job(request, pk, "view")["id"]])[0])


def update_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change the assignee, the stage or the state of a job. Its assignee may set the state and nothing else."""
    job, body = find_job(request, pk), request.body
    for action in permissions.check_fields(body, ACTIONS) or {"update state"}:
        permissions.check(request, "job", action, job)
    permissions.check_assignee(request, body.get("assignee"), job["organization_id"])
    values = serializers.JOB.run_validation(body, partial=True)
    if values.get("assignee") is not None and not request.sandbox.users.exists(values["assignee"]):
        raise Crash("IntegrityError: there is no such user")
    jobs.update(request.sandbox.db, job, values)
    return ApiResponse(_shown(request, [job["id"]])[0])


def create_job(request: OrganizationRequest) -> ApiResponse:
    """Create the ground truth job of a task. Other jobs are made of the frames of a task."""
    db, body = request.sandbox.db, request.body
    task = _task_of(request, body)
    permissions.check(request, "task", "create job", task)
    values = GROUND_TRUTH.run_validation(body)
    check_method(values)
    if values["type"] != "ground_truth":
        raise Rejected(f"Unexpected job type '{values['type']}'")
    if task["data_id"] is None:
        raise Rejected("This task has no data attached yet. Please set up task data and try again")
    if "frame_selection_method" not in values:
        raise Crash("KeyError: 'frame_selection_method'")
    permissions.check_assignee(request, values.get("assignee"), task["organization_id"])
    try:
        job = validation.add_ground_truth(db, task, Selection.of(values), values.get("assignee"))
    except UnsuitableFrames as error:
        raise Rejected(str(error)) from error
    return ApiResponse(_shown(request, [job])[0], 201, {"Location": request.url(f"/api/jobs/{job}")})


def _task_of(request: OrganizationRequest, body: Any) -> sqlite3.Row:
    """Return the task that a body names. Raises ValidationError."""
    key = body.get("task_id") if isinstance(body, dict) else None
    if key is None:
        GROUND_TRUTH.run_validation(body)
    known = GROUND_TRUTH.fields["task_id"].to_internal_value(key) if isinstance(key, int | str) else 0
    task = request.sandbox.db.one("SELECT * FROM task WHERE id = ?", known if abs(known) <= LARGEST_ID else 0)
    if task is None:
        raise Rejected("Task matching query does not exist.")
    return task


def delete_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a job of ground truth; others cannot be deleted."""
    job = permitted_job(request, pk, "delete")
    if job["type"] != "ground_truth":
        raise Rejected("Only ground truth jobs can be removed")
    data = request.sandbox.db.one("SELECT validation_mode FROM data WHERE id = ?", job["data_id"])
    if data is not None and data["validation_mode"] == "gt_pool":
        raise Rejected('GT jobs cannot be removed when task validation mode is "gt_pool"')
    validation.remove_ground_truth(request.sandbox.db, job)
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/jobs", {"GET": list_jobs, "POST": create_job}, "Job List"),
    Endpoint("/api/jobs/<pk>", {"GET": get_job, "PATCH": update_job, "DELETE": delete_job}, "Job Instance"),
]
