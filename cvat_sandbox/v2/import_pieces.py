"""TUS for imports: the file of an import that is sent piece by piece.

POST with `Upload-Start` opens it, POST with `Upload-Length` names it, PATCH adds pieces, and POST with `Upload-Finish`
and the name as parameter `filename` starts the import.
"""

from __future__ import annotations

from pathlib import Path

from flask import Response

from cvat_sandbox.formats.v2.loading import Target
from cvat_sandbox.rest.exceptions import ApiException, ValidationError
from cvat_sandbox.v2 import tus
from cvat_sandbox.v2.dispatch import Endpoint, Handler
from cvat_sandbox.v2.exports import permitted_subject
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.web.fault_middleware import SHORT
from cvat_sandbox.workers.dataset_exports import Subject
from cvat_sandbox.workers.partial_files import PartialFile


def subject_path(subject: Subject) -> str:
    """Return the part of the path that names a task or job."""
    return f"{subject.target}s/{subject.id}"


def begin(request: OrganizationRequest, subject: Subject) -> Response:
    """Begin a file and return its address."""
    length, path = request.http.headers.get("Upload-Length", ""), subject_path(subject)
    if not tus.file_name(request):
        raise ApiException(400, "Metadata is expected to contain 'filename' key")
    key = request.sandbox.partial_files.begin(path, request.user.id, int(length) if length.isdecimal() else 0)
    return tus.answer(201, Location=request.url(f"/api/{path}/annotations/{key}"), Upload_Filename=key)


def whole(request: OrganizationRequest, subject: Subject) -> Path:
    """Return the file that the parameter `filename` names. Raises ValidationError if it is not there or not whole."""
    file = request.sandbox.partial_files.take(subject_path(subject), request.query.get("filename", ""))
    if file is None:
        raise ValidationError({"annotation_file": ["No file was submitted."]})
    return file


def _endpoint(target: Target) -> Endpoint:
    handlers: dict[str, Handler] = {"PATCH": _append(target), "HEAD": _offset(target)}
    path = f"/api/{target}s/<pk>/annotations/<file_id>"
    return Endpoint(path, handlers, "Annotation File", parsers=(tus.MEDIA_TYPE,))


def _find(request: OrganizationRequest, target: Target, pk: str, file_id: str) -> PartialFile | None:
    subject = permitted_subject(request, target, pk, "annotate")
    return request.sandbox.partial_files.find(subject_path(subject), file_id)


def _offset(target: Target) -> Handler:
    def answer(request: OrganizationRequest, pk: str, file_id: str) -> Response:
        found = _find(request, target, pk, file_id)
        if found is None:
            return tus.answer(404)
        return tus.answer(200, Upload_Offset=str(found.received), Upload_Length=str(found.length))

    return answer


def _append(target: Target) -> Handler:
    def append(request: OrganizationRequest, pk: str, file_id: str) -> Response:
        found, http = _find(request, target, pk, file_id), request.http
        if found is None:
            return tus.answer(404)
        if http.headers.get("Upload-Offset", "") != str(found.received):
            return tus.answer(409)
        if (http.content_length or 0) > found.length - found.received:
            return tus.answer(413)
        piece = http.get_data(cache=False)
        piece = piece[: int(len(piece) * http.environ.get(SHORT, 1.0))]
        return tus.answer(204, Upload_Offset=str(request.sandbox.partial_files.append(found, piece)))

    return append


ENDPOINTS = [_endpoint("task"), _endpoint("job")]
