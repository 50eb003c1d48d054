"""Handlers for imports: a file whose annotations replace those of a task or job."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from flask import Response

from cvat_sandbox.errors import Crash
from cvat_sandbox.formats.v2.loading import Target
from cvat_sandbox.formats.v2.registry import READERS
from cvat_sandbox.rest.exceptions import ApiException, ValidationError
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.v2 import import_pieces
from cvat_sandbox.v2.cloud_storages import named_storage
from cvat_sandbox.v2.dispatch import Handler
from cvat_sandbox.v2.exports import permitted_subject
from cvat_sandbox.v2.formats import IMPORTERS
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.web import multipart
from cvat_sandbox.web.fault_middleware import SHORT
from cvat_sandbox.workers.cloud_files import bucket_of
from cvat_sandbox.workers.dataset_exports import Subject
from cvat_sandbox.workers.dataset_imports import rq_id_of
from cvat_sandbox.workers.requests import RequestRunning

FIELD = "annotation_file"
LISTED = frozenset(listed.name for listed in IMPORTERS)


def start_import(target: Target) -> Handler:
    """Return the handler that imports the file of the request into a task or job."""

    def start(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
        subject, headers = permitted_subject(request, target, pk, "annotate"), request.http.headers
        if "Upload-Length" in headers:
            return import_pieces.begin(request, subject)
        name = request.query.get("format", "")
        if name not in LISTED:
            raise ValidationError([f"Unknown input format '{name}'"])
        _check_served(name)
        if "Upload-Start" in headers:
            return ApiResponse(status=202)
        try:
            request.sandbox.requests.check_ended(rq_id_of(subject))
            file, fetch = _file(request, subject)
            rq_id = request.sandbox.dataset_imports.start(subject, request.user.id, name, file, fetch)
        except RequestRunning as running:
            return ApiResponse({"rq_id": running.rq_id}, 409)
        return ApiResponse({"rq_id": rq_id}, 202)

    return start


def _check_served(name: str) -> None:
    """Raise ApiException for a format that the sandbox does not read."""
    if name not in READERS:
        problem = f"The sandbox does not read {name}; it reads {', '.join(READERS)}."
        raise ApiException(501, {"detail": problem})


def _file(request: OrganizationRequest, subject: Subject) -> tuple[Path, Callable[[Path], None] | None]:
    """Return the file of an import, and what brings it there if it is in a cloud storage."""
    if "Upload-Finish" in request.http.headers:
        return import_pieces.whole(request, subject), None
    if request.query.get("location", "local") == "local":
        return _received(request), None
    return _in_cloud(request, subject)


def _in_cloud(request: OrganizationRequest, subject: Subject) -> tuple[Path, Callable[[Path], None]]:
    """Return a place for a file of a cloud storage, and what brings it there. Raises PermissionDenied, Rejected."""
    key, name = request.query.get("cloud_storage_id"), request.query.get("filename")
    if key is None or name is None:
        raise Crash("ValueError: no storage or no file is named")
    bucket = bucket_of(named_storage(request, key, subject.row["organization_id"]))
    return request.sandbox.incoming / f"cloud-{uuid.uuid4()}", lambda file: bucket.download(name, file)


def _received(request: OrganizationRequest) -> Path:
    """Return the file of the request in a place of its own. Raises ValidationError without one."""
    missing = ValidationError({FIELD: ["No file was submitted."]})
    if not request.is_upload:
        raise missing
    form = multipart.read(request.http, request.sandbox.incoming, share=request.http.environ.get(SHORT, 1.0))
    try:
        if FIELD not in form.files:
            raise missing
        _, file = form.files[FIELD]
        form.keep(file)
        return file
    finally:
        form.discard()
