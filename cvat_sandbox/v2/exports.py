"""Endpoints for exports: of annotations and datasets, and of backups."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import parse_qsl, quote

from flask import Response

from cvat_sandbox.errors import Crash
from cvat_sandbox.formats.v2.loading import Target
from cvat_sandbox.formats.v2.registry import EXPORTERS as WRITTEN
from cvat_sandbox.rest.exceptions import ApiException, ValidationError
from cvat_sandbox.rest.responses import ApiResponse, plain, send_file
from cvat_sandbox.v2 import permissions, removed
from cvat_sandbox.v2.cloud_storages import named_storage
from cvat_sandbox.v2.dispatch import Endpoint, Handler
from cvat_sandbox.v2.formats import EXPORTERS
from cvat_sandbox.v2.jobs import find_job
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.workers.cloud_files import bucket_of
from cvat_sandbox.workers.dataset_exports import Deliver, Subject
from cvat_sandbox.workers.requests import RequestRunning

LISTED = frozenset(listed.name for listed in EXPORTERS)
LOCATIONS = ("local", "cloud_storage")
TRUE = ("1", "t", "true", "y", "yes", "on")


def permitted_subject(request: OrganizationRequest, target: Target, pk: str, action: str) -> Subject:
    """Return the task, job or project of a path; raises NotFound, or PermissionDenied."""
    row = find_job(request, pk) if target == "job" else request.find(target, pk)
    permissions.check(request, target, action, row)
    return Subject.of(target, row)


def _delivery(request: OrganizationRequest, subject: Subject) -> Deliver | None:
    """Return what takes the file to a cloud storage; None for a download.

    Without the parameter `location` the target storage of the object counts. Raises PermissionDenied, Rejected.
    """
    stored = json.loads(subject.row["target_storage"] or "null") or {}
    wanted = request.query if "location" in request.query else {"location": "local", **stored}
    if wanted["location"] not in LOCATIONS:
        raise Crash(f"ValueError: {wanted['location']!r} is not a valid Location")
    if wanted["location"] == "local":
        return None
    if wanted.get("cloud_storage_id") is None:
        raise Crash("ValueError: no storage is named")
    storage = named_storage(request, wanted["cloud_storage_id"], subject.row["organization_id"])
    return bucket_of(storage).upload


def _unserved(what: str) -> ApiException:
    return ApiException(501, {"detail": f"The sandbox does not {what}."})


def start_export(target: Target) -> Handler:
    """Return the handler that starts the export of a task, job or project."""

    def start(request: OrganizationRequest, pk: str) -> ApiResponse:
        subject = permitted_subject(request, target, pk, "export")
        name, images = request.query.get("format", ""), request.query.get("save_images", "").lower() in TRUE
        if name not in LISTED:
            raise ValidationError(["Unknown format specified for the request"])
        deliver = _delivery(request, subject)
        if name not in WRITTEN:
            raise _unserved(f"write {name}; it writes {', '.join(WRITTEN)}")
        filename = request.query.get("filename", "")
        host = request.url(request.http.path)
        exports = request.sandbox.dataset_exports
        try:
            rq_id = exports.start(
                subject, request.user.id, name, images=images, filename=filename, host=host, deliver=deliver
            )
        except RequestRunning as running:
            return ApiResponse({"rq_id": running.rq_id}, 409)
        return ApiResponse({"rq_id": rq_id}, 202)

    return start


def start_backup(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Start the backup of a task."""
    subject = permitted_subject(request, "task", pk, "export")
    deliver = _delivery(request, subject)
    exports, filename = request.sandbox.dataset_exports, request.query.get("filename", "")
    try:
        rq_id = exports.start_backup(subject, request.user.id, filename=filename, deliver=deliver)
    except RequestRunning as running:
        return ApiResponse({"rq_id": running.rq_id}, 409)
    return ApiResponse({"rq_id": rq_id}, 202)


def refuse_backup(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Refuse the backup of a project."""
    permitted_subject(request, "project", pk, "export")
    raise _unserved("make backups of projects")


def download(target: Target) -> Handler:
    """Return the handler that sends the file of an export."""

    def send(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
        subject = permitted_subject(request, target, pk, "export")
        rq_id = request.query.get("rq_id", "")
        if not rq_id:
            raise ValidationError(["Missing request id in the query parameters"])
        _check_rq_id(rq_id, subject)
        row = request.sandbox.requests.get(rq_id)
        if row is None:
            return plain("Unknown export request id", 404)
        if request.http.method == "HEAD":
            raise Crash("TypeError: the response has no content")
        response = _sent(row)
        if isinstance(response, Response) and response.status_code == 200:
            response.make_conditional(request.http, accept_ranges=True, complete_length=response.content_length)
        return response

    return send


def _check_rq_id(rq_id: str, subject: Subject) -> None:
    parts = dict(parse_qsl(rq_id))
    named = parts.get("action"), parts.get("target"), parts.get("target_id")
    if named != ("export", subject.target, str(subject.id)):
        raise ValidationError(["Unexpected request id format"])


def _sent(row: sqlite3.Row) -> ApiResponse | Response:
    if row["state"] != "finished":
        return ApiResponse("The request process is not completed", 400)
    file = Path(row["file"] or "")
    if not file.is_file():
        return ApiResponse("The exported file has expired, please retry exporting", 404)
    name = json.loads(row["arguments"]).get("filename", file.name)
    return send_file(file, "application/zip", _disposition(name))


def _disposition(name: str) -> str:
    """Return the header that names a download; names with other letters than ASCII's are there twice."""
    plain_name = re.sub(r'[\x00-\x1f"\\]', "_", name.encode("ascii", "ignore").decode())
    header = f'attachment; filename="{plain_name}"'
    return header if plain_name == name else f"{header}; filename*=UTF-8''{quote(name)}"


def old_dataset(target: Target) -> Handler:
    """Return the handler of the address that exports had before 2.32."""

    def refuse(request: OrganizationRequest, pk: str) -> Response:
        permitted_subject(request, target, pk, "export")
        return removed.export(target, save_images=True)

    return refuse


def _endpoints(target: Target) -> list[Endpoint]:
    path = f"/api/{target}s/<pk>"
    return [
        Endpoint(f"{path}/dataset/export", {"POST": start_export(target)}, "Dataset Export"),
        Endpoint(f"{path}/dataset/download", {"GET": download(target)}, "Dataset Download"),
        Endpoint(f"{path}/dataset", {"GET": old_dataset(target)}, "Dataset"),
    ]


ENDPOINTS = [
    *_endpoints("task"),
    *_endpoints("job"),
    *_endpoints("project"),
    Endpoint("/api/tasks/<pk>/backup/export", {"POST": start_backup}, "Backup Export"),
    Endpoint("/api/tasks/<pk>/backup/download", {"GET": download("task")}, "Backup Download"),
    Endpoint("/api/projects/<pk>/backup/export", {"POST": refuse_backup}, "Backup Export"),
]
