"""Endpoints for the annotations of jobs and tasks, for exports and for imports."""

from __future__ import annotations

import datetime as dt
import sqlite3
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Response

from cvat_sandbox.errors import Crash, InvalidAnnotation
from cvat_sandbox.formats.registry import EXPORTERS, IMPORTERS
from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.request import ApiRequest
from cvat_sandbox.rest.responses import ApiResponse, send_file
from cvat_sandbox.state.annotations import (
    clear_task_annotations,
    read_job_annotations,
    read_task_annotations,
    write_job_annotations,
    write_task_annotations,
)
from cvat_sandbox.v1.dispatch import Endpoint
from cvat_sandbox.v1.permissions import jobs_permission, tasks_permission
from cvat_sandbox.v1.serializers import ANNOTATIONS
from cvat_sandbox.v1.tasks import permitted_job, permitted_task
from cvat_sandbox.web import multipart

ALLOW = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
ACTIONS = ("create", "update", "delete")


def _body(request: ApiRequest) -> dict[str, Any]:
    return ANNOTATIONS.run_validation(request.body, form=request.is_form)


def _action(request: ApiRequest) -> str:
    action = request.query.get("action", "")
    if action not in ACTIONS:
        raise ApiException(400, ["Please specify a correct 'action' for the request"])
    return action


# -- jobs


def get_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Return the annotations of a job."""
    return ApiResponse(read_job_annotations(request.sandbox.db, permitted_job(request, pk, "access")))


def put_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Replace the annotations of a job; with `format`, by those of a file."""
    job = permitted_job(request, pk, "change")
    if request.query.get("format"):
        return _import(request, "job", job)
    return ApiResponse(write_job_annotations(request.sandbox.db, job["id"], "put", _body(request)))


def patch_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Create, update or delete annotations of a job."""
    job, action = permitted_job(request, pk, "change"), _action(request)
    return ApiResponse(write_job_annotations(request.sandbox.db, job["id"], action, _body(request)))


def clear_job(request: ApiRequest, pk: str) -> ApiResponse:
    """Delete all annotations of a job."""
    write_job_annotations(request.sandbox.db, permitted_job(request, pk, "change")["id"], "put", None)
    return ApiResponse(status=204)


# -- tasks


def get_task(request: ApiRequest, pk: str) -> ApiResponse | Response:
    """Return the annotations of a task; with `format`, start an export or return its file."""
    task = permitted_task(request, pk, "access")
    if request.query.get("format"):
        return _export(request, task, "annotations")
    return ApiResponse(read_task_annotations(request.sandbox.db, task["id"]))


def put_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Replace the annotations of a task; with `format`, by those of a file. A label that does not fit crashes."""
    task = permitted_task(request, pk, "change")
    if request.query.get("format"):
        return _import(request, "task", task)
    body = _body(request)
    try:
        return ApiResponse(write_task_annotations(request.sandbox.db, task["id"], "put", body))
    except InvalidAnnotation as error:
        raise Crash(str(error)) from error


def patch_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Create, update or delete annotations of a task."""
    task, action = permitted_task(request, pk, "change"), _action(request)
    return ApiResponse(write_task_annotations(request.sandbox.db, task["id"], action, _body(request)))


def clear_task(request: ApiRequest, pk: str) -> ApiResponse:
    """Delete all annotations of a task."""
    clear_task_annotations(request.sandbox.db, permitted_task(request, pk, "change")["id"])
    return ApiResponse(status=204)


# -- files


def export_dataset(request: ApiRequest, pk: str) -> ApiResponse | Response:
    """Start an export with the images, or return its file."""
    return _export(request, permitted_task(request, pk, "access"), "dataset")


def _export(request: ApiRequest, task: sqlite3.Row, kind: str) -> ApiResponse | Response:
    """Return 202 while the export is written, then 201; with `action=download` its file, once."""
    action, format_name = request.query.get("action", "").lower(), request.query.get("format", "")
    if action not in {"", "download"}:
        raise ApiException(400, ["Unexpected action specified for the request"])
    if format_name not in EXPORTERS:
        raise ApiException(400, ["Unknown format specified for the request"])
    export = request.sandbox.exports.poll(task, kind, format_name, request.url(""), take=action == "download")
    if export.state == "failed":
        return ApiResponse(export.error, 500)
    if export.state == "queued":
        return ApiResponse(status=202)
    if action != "download":
        return ApiResponse(status=201)
    assert export.file is not None
    name = request.query.get("filename", "") or _file_name(task, format_name)
    return send_file(export.file, "application/zip", _attachment(name))


def _attachment(name: str) -> str:
    """Return the Content-Disposition of a download. The real server writes the ASCII name as a Python bytes literal."""
    name = name.lower()
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore")
    return f"attachment; filename=\"{ascii_name!r}\"; filename*=UTF-8''{quote(name)}"


def _file_name(task: sqlite3.Row, format_name: str) -> str:
    stamp = dt.datetime.fromisoformat(task["updated_date"]).strftime("%Y_%m_%d_%H_%M_%S")
    return f"task_{task['name']}-{stamp}-{format_name}.zip"


def _import(request: ApiRequest, kind: str, row: sqlite3.Row) -> ApiResponse:
    """Return 202 while the file is read, then 201 once. The body of a later request is ignored."""
    format_name = request.query["format"]
    found = request.sandbox.imports.poll(
        request.user.username, kind, row, format_name, lambda: _annotation_file(request, format_name)
    )
    if found.state == "failed":
        return ApiResponse(found.error, 500)
    return ApiResponse(status=202 if found.state == "queued" else 201)


def _annotation_file(request: ApiRequest, format_name: str) -> Path:
    """Save the file of the body and return its path; other parts of the body are dropped."""
    if not request.is_upload:
        sent = isinstance(request.body, dict) and "annotation_file" in request.body
        not_a_file = "The submitted data was not a file. Check the encoding type on the form."
        raise ApiException(400, {"annotation_file": [not_a_file if sent else "No file was submitted."]})
    form = multipart.read(request.http, request.sandbox.incoming)
    _, file = form.files.get("annotation_file", ("", None))
    try:
        if file is None:
            raise ApiException(400, {"annotation_file": ["No file was submitted."]})
        if not file.stat().st_size:
            raise ApiException(400, {"annotation_file": ["The submitted file is empty."]})
        if format_name not in IMPORTERS:
            raise ApiException(400, [f"Unknown input format '{format_name}'"])
        form.keep(file)
        return file
    finally:
        form.discard()


ENDPOINTS = [
    Endpoint(
        "/api/v1/jobs/<pk>/annotations",
        {"GET": get_job, "PUT": put_job, "PATCH": patch_job, "DELETE": clear_job}, ALLOW, jobs_permission,
        "Annotations",
    ),
    Endpoint(
        "/api/v1/tasks/<pk>/annotations",
        {"GET": get_task, "PUT": put_task, "PATCH": patch_task, "DELETE": clear_task}, ALLOW, tasks_permission,
        "Annotations",
    ),
    Endpoint(
        "/api/v1/tasks/<pk>/dataset", {"GET": export_dataset}, "GET, HEAD, OPTIONS", tasks_permission,
        "Dataset Export",
    ),
]  # fmt: skip
