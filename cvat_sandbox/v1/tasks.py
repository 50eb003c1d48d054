"""Endpoints for tasks and jobs."""

from __future__ import annotations

import sqlite3

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.paging import page_of, paged
from cvat_sandbox.rest.request import ApiRequest, parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import tasks
from cvat_sandbox.state.permissions import check_job, check_task
from cvat_sandbox.v1 import serializers
from cvat_sandbox.v1.dispatch import Endpoint
from cvat_sandbox.v1.filters import TASK_ORDERS, order_by, task_filter
from cvat_sandbox.v1.metadata import TASK_FIELDS
from cvat_sandbox.v1.permissions import jobs_permission, tasks_permission
from cvat_sandbox.v1.representations import job_json, tasks_json


def permitted_task(request: ApiRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the task of a path; raises NotFound, or Forbidden if the user may not `action` it."""
    task = tasks.get(request.sandbox.db, parse_id(pk))
    check_task(request.sandbox.db, request.user, task, action)
    return task


def permitted_job(request: ApiRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the job of a path; raises NotFound, or Forbidden if the user may not `action` it."""
    job = tasks.get_job(request.sandbox.db, parse_id(pk))
    check_job(request.sandbox.db, request.user, job, action)
    return job


def list_tasks(request: ApiRequest) -> ApiResponse:
    """Return a page of the tasks that the user sees, newest first."""
    db = request.sandbox.db
    condition, values = tasks.search(request.user, task_filter(request.query))
    order = order_by(request.query, TASK_ORDERS, "id DESC")
    count = db.count(f"SELECT COUNT(*) FROM task WHERE {condition}", *values)  # noqa: S608 - the names are constants
    first, size = page_of(request, count)
    sql = f"SELECT * FROM task WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608 - the names are constants
    rows = db.all(sql, *values, size, first)
    return paged(request, count, tasks_json(db, rows, request.url("")))


def create_task(request: ApiRequest) -> ApiResponse:
    """Create a task without data. Its owner is the user, unless the body names another."""
    body = request.body
    values = serializers.task(request.sandbox.users, new=True).run_validation(body, form=request.is_form)
    if not (isinstance(body, dict) and body.get("owner")):
        values["owner"] = request.user.id
    labels = values.pop("labels")
    values.pop("project", None)
    task_id = tasks.create(request.sandbox.db, values, labels)
    return ApiResponse(_task_json(request, task_id), 201, {"Location": request.url(f"/api/v1/tasks/{task_id}")})


def get_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Return a task."""
    task = permitted_task(request, pk, "access")
    return ApiResponse(_task_json(request, task["id"]))


def update_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Change a task."""
    task = permitted_task(request, pk, "change")
    serializer = serializers.task(request.sandbox.users, new=False)
    partial = request.http.method == "PATCH"
    values = serializer.run_validation(request.body, form=request.is_form, partial=partial)
    labels = values.pop("labels", [])
    values.pop("project", None)
    tasks.update(request.sandbox.db, task["id"], values, labels)
    return ApiResponse(_task_json(request, task["id"]))


def delete_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Delete a task. While a worker makes its frames, this crashes and the task remains."""
    task = permitted_task(request, pk, "delete")
    if request.sandbox.creations.is_running(task["id"]):
        raise Crash("IntegrityError: the worker has inserted segments meanwhile")
    tasks.delete(request.sandbox.db, task["id"])
    request.sandbox.delete_files(task["id"], task["data_id"])
    return ApiResponse(status=204)


def list_jobs(request: ApiRequest, pk: str) -> ApiResponse:
    """Return the jobs of a task, in no particular order."""
    task = permitted_task(request, pk, "access")
    return ApiResponse([job_json(job, request.url("")) for job in tasks.jobs_of(request.sandbox.db, task["id"])])


def get_status(request: ApiRequest, pk: str) -> ApiResponse:
    """Return the state of the job that makes the frames; Finished for a task without data."""
    task = permitted_task(request, pk, "access")
    state, message = request.sandbox.creations.status(task["id"])
    if message is None:
        raise ValidationError({"message": ["This field may not be null."]})
    return ApiResponse({"state": state, "message": message})


def get_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Return a job."""
    return ApiResponse(job_json(permitted_job(request, pk, "access"), request.url("")))


def update_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Change the status or the assignee of a job."""
    db, job = request.sandbox.db, permitted_job(request, pk, "change")
    serializer = serializers.job(request.sandbox.users)
    partial = request.http.method == "PATCH"
    tasks.update_job(db, job, serializer.run_validation(request.body, form=request.is_form, partial=partial))
    return ApiResponse(job_json(tasks.get_job(db, job["id"]), request.url("")))


def _task_json(request: ApiRequest, task_id: int) -> object:
    db = request.sandbox.db
    return tasks_json(db, [tasks.get(db, task_id)], request.url(""))[0]


ENDPOINTS = [
    Endpoint(
        "/api/v1/tasks", {"GET": list_tasks, "POST": create_task}, "GET, POST, HEAD, OPTIONS", tasks_permission,
        "Task List", actions={"POST": TASK_FIELDS},
    ),
    Endpoint(
        "/api/v1/tasks/<pk>", {"GET": get_task, "PUT": update_task, "PATCH": update_task, "DELETE": delete_task},
        "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", tasks_permission, "Task Instance",
    ),
    Endpoint("/api/v1/tasks/<pk>/jobs", {"GET": list_jobs}, "GET, HEAD, OPTIONS", tasks_permission, "Jobs"),
    Endpoint("/api/v1/tasks/<pk>/status", {"GET": get_status}, "GET, HEAD, OPTIONS", tasks_permission, "Status"),
    Endpoint(
        "/api/v1/jobs/<pk>", {"GET": get_job, "PUT": update_job, "PATCH": update_job},
        "GET, PUT, PATCH, HEAD, OPTIONS", jobs_permission, "Job Instance",
    ),
]  # fmt: skip
