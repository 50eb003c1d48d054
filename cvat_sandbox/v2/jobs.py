"""Endpoints for jobs."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash, Rejected
from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import jobs
from cvat_sandbox.state.tasks import STATUSES
from cvat_sandbox.v2 import permissions, serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import jobs_json
from cvat_sandbox.v2.request import OrganizationRequest, not_found

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
    rows = jobs.several(request.sandbox.db, ids)
    hidden = frozenset(row["id"] for row in rows if not _sees_task(request, row))
    return jobs_json(request.sandbox.db, rows, request.url(""), hidden=hidden)


def _sees_task(request: OrganizationRequest, job: sqlite3.Row) -> bool:
    """Return whether the user may see the task of a job."""
    relations = {name.removeprefix("task ") for name in permissions.job_relations(request.sandbox.db, request.user, job)
                 if name != "assignee"}  # fmt: skip
    rule, space = permissions.RULES["task", "view"], permissions.space_of(request, job["organization_id"])
    return permissions.is_allowed(request.user, rule, space, relations)


def get_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a job."""
    return ApiResponse(_shown(request, [permitted_job(request, pk, "view")["id"]])[0])


def update_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change the assignee, the stage or the state of a job. Its assignee may set the state and nothing else."""
    job, body = find_job(request, pk), request.body
    fields = set(body) if isinstance(body, dict) else set()
    permissions.check(request, "job", "update" if fields - {"state"} else "update state", job)
    if fields - set(serializers.JOB.fields):
        raise PermissionDenied("Attempted to update an unknown field")
    if "assignee" in fields:
        permissions.check_assignee(request, body["assignee"], job["organization_id"])
    values = serializers.JOB.run_validation(body, partial=True)
    if values.get("assignee") is not None and not request.sandbox.users.exists(values["assignee"]):
        raise Crash("IntegrityError: there is no such user")
    jobs.update(request.sandbox.db, job, values)
    return ApiResponse(_shown(request, [job["id"]])[0])


def delete_job(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a job of ground truth; others cannot be deleted."""
    job = permitted_job(request, pk, "delete")
    if job["type"] != "ground_truth":
        raise Rejected("Only ground truth jobs can be removed")
    jobs.delete(request.sandbox.db, job)
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/jobs", {"GET": list_jobs}, "Job List"),
    Endpoint("/api/jobs/<pk>", {"GET": get_job, "PATCH": update_job, "DELETE": delete_job}, "Job Instance"),
]
