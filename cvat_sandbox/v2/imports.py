"""Handlers for imports: a file whose annotations replace those of a task or job."""

from __future__ import annotations

from pathlib import Path

from flask import Response

from cvat_sandbox.formats.v2.loading import Target
from cvat_sandbox.formats.v2.registry import READERS
from cvat_sandbox.rest.exceptions import ApiException, ValidationError
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.v2 import import_pieces
from cvat_sandbox.v2.dispatch import Handler
from cvat_sandbox.v2.exports import permitted_subject
from cvat_sandbox.v2.formats import IMPORTERS
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.web import multipart
from cvat_sandbox.web.fault_middleware import SHORT
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
        _check_served(request, name)
        if "Upload-Start" in headers:
            return ApiResponse(status=202)
        try:
            request.sandbox.requests.check_ended(rq_id_of(subject))
            file = import_pieces.whole(request, subject) if "Upload-Finish" in headers else _received(request)
            rq_id = request.sandbox.dataset_imports.start(subject, request.user.id, name, file)
        except RequestRunning as running:
            return ApiResponse({"rq_id": running.rq_id}, 409)
        return ApiResponse({"rq_id": rq_id}, 202)

    return start


def _check_served(request: OrganizationRequest, name: str) -> None:
    """Raise ApiException for an import that the sandbox does not have."""
    problem = ""
    if request.query.get("location", "local") != "local":
        problem = "import from cloud storage"
    elif name not in READERS:
        problem = f"read {name}; it reads {', '.join(READERS)}"
    if problem:
        raise ApiException(501, {"detail": f"The sandbox does not {problem}."})


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
