"""TUS: a file that is sent piece by piece, and continued after a cut.

POST to the data of a task with `Upload-Length` returns the address of a file, HEAD of it how much has arrived, PATCH
adds a piece. A file that is whole has no address any more.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3

from flask import Response

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import uploads
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.web.fault_middleware import SHORT

MEDIA_TYPE = "application/offset+octet-stream"
MAX_FILE_BYTES = 26843545600
HEADERS = {
    "Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Extension": "", "Tus-Max-Size": str(MAX_FILE_BYTES),
    "Access-Control-Expose-Headers": "Tus-Resumable,Upload-Length,Upload-Metadata,Upload-Offset,Location",
    "Cache-Control": "no-store",
}  # fmt: skip


def answer(status: int, **headers: str) -> Response:
    """Return a response of TUS, without a body. headers: their names with underscores."""
    response = Response(b"", status, headers={**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}})
    del response.headers["Content-Type"]
    return response


def _refusal(status: int, text: str) -> ApiResponse:
    return ApiResponse(text, status, HEADERS)


def begin(request: OrganizationRequest, task: sqlite3.Row) -> ApiResponse | Response:
    """Begin a file of a task and return its address. A length of 0 crashes."""
    name, length = file_name(request), int(request.http.headers.get("Upload-Length", "0") or 0)
    if not name:
        return _refusal(400, "Metadata is expected to contain 'filename' key")
    if ".." in name.split("/") or name.startswith("/"):
        return Response(f'"File name {name} is not allowed"', 400, headers=HEADERS, content_type="text/plain")
    if length > MAX_FILE_BYTES:
        return _refusal(413, f"File size exceeds max limit of {MAX_FILE_BYTES} bytes")
    db, task_data = request.sandbox.db, request.sandbox.task_data
    data_id = task_data.of(task)
    if uploads.is_known(db, data_id, name):
        return _refusal(409, "File with same name already exists")
    if length == 0:
        raise Crash("OSError: an empty file cannot be reserved")
    row = uploads.begin(db, data_id, name, length, task_data.raw(data_id))
    location = request.url(f"/api/tasks/{task['id']}/data/{row['key']}")
    return answer(201, Location=location, Upload_Filename=name)


def file_name(request: OrganizationRequest) -> str:
    """Return the name in the header `Upload-Metadata`, pairs of a word and a text in base64."""
    pairs = (pair.strip().split(" ") for pair in request.http.headers.get("Upload-Metadata", "").split(","))
    try:
        found = {pair[0]: base64.b64decode(pair[1]).decode() for pair in pairs if len(pair) == 2}
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return found.get("filename", "")


def options(request: OrganizationRequest, pk: str) -> Response:
    """Say that the server speaks TUS."""
    permissions.check(request, "task", "update", request.find("task", pk))
    return answer(204)


def get_offset(request: OrganizationRequest, pk: str, file_id: str) -> Response:
    """Return how many bytes of a file have arrived."""
    upload = _unfinished(request, pk, file_id)
    if upload is None:
        return answer(404)
    return answer(200, Upload_Offset=str(upload["received"]), Upload_Length=str(upload["length"]))


def append(request: OrganizationRequest, pk: str, file_id: str) -> Response:
    """Add a piece to a file at the offset where it ends."""
    upload, http = _unfinished(request, pk, file_id), request.http
    if request.media_type != MEDIA_TYPE:
        text = f'Unsupported media type "{http.content_type or ""}" in request.'
        raise ApiException(415, {"detail": text})
    if upload is None:
        return answer(404)
    if http.headers.get("Upload-Offset", "") != str(upload["received"]):
        return answer(409)
    if (http.content_length or 0) > upload["length"] - upload["received"]:
        return answer(413)
    piece = http.get_data(cache=False)
    piece = piece[: int(len(piece) * http.environ.get(SHORT, 1.0))]
    folder = request.sandbox.task_data.raw(upload["data_id"])
    received = uploads.append(request.sandbox.db, upload, piece, folder)
    return answer(204, Upload_Offset=str(received))


def _unfinished(request: OrganizationRequest, pk: str, file_id: str) -> sqlite3.Row | None:
    task = request.find("task", pk)
    permissions.check(request, "task", "update", task)
    return uploads.unfinished(request.sandbox.db, task["data_id"] or 0, file_id)


ENDPOINTS = [
    Endpoint("/api/tasks/<pk>/data/<file_id>", {"PATCH": append, "HEAD": get_offset}, "Data File",
             parsers=(MEDIA_TYPE,)),
]  # fmt: skip
