"""Endpoints for the data of tasks and jobs: upload, meta, frames, chunks and previews.

Files come in one request, in several between `Upload-Start` and `Upload-Finish`, or piece by piece (`v2.tus`).
"""

from __future__ import annotations

import json
import mimetypes
import re
import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Response

from cvat_sandbox.errors import Rejected
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.responses import ApiResponse, send_file
from cvat_sandbox.state import honeypot_changes, jobs, pillow12, uploads
from cvat_sandbox.state.media import Frames
from cvat_sandbox.state.validation import layout_of
from cvat_sandbox.v2 import permissions, serializers, tus
from cvat_sandbox.v2.cloud_storages import check_body
from cvat_sandbox.v2.dispatch import JSON, Endpoint
from cvat_sandbox.v2.jobs import permitted_job
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.tasks import permitted_task
from cvat_sandbox.web import multipart
from cvat_sandbox.web.fault_middleware import SHORT
from cvat_sandbox.web.multipart import UploadedForm
from cvat_sandbox.workers.requests import RequestRunning
from cvat_sandbox.workers.task_data import rq_id_of

PARSERS = (*JSON, "multipart/form-data", tus.MEDIA_TYPE)
LISTS = ("server_files", "server_files_exclude", "remote_files", "upload_file_order")
NO_DATA = "Data is not uploaded for the task yet"


# -- upload


def upload(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Receive files of a task; the last request of an upload queues the request that makes frames of them."""
    task, headers = request.find("task", pk), request.http.headers
    permissions.check(request, "task", "update", task)
    _check_open(request, task)
    if "Upload-Finish" in headers:
        return _finish(request, task)
    if "Upload-Start" in headers:
        request.sandbox.task_data.of(task)
        return ApiResponse(status=202)
    if "Upload-Length" in headers:
        return tus.begin(request, task)
    if "Upload-Multiple" in headers:
        _add_files(request, task, _form(request))
        return ApiResponse(status=200)
    return _finish(request, task)


def _check_open(request: OrganizationRequest, task: sqlite3.Row) -> None:
    data = request.sandbox.db.one("SELECT size FROM data WHERE id = ?", task["data_id"])
    if data is not None and data["size"]:
        raise Rejected("Adding more data is not supported")


def _form(request: OrganizationRequest) -> UploadedForm:
    if not request.is_upload:
        return UploadedForm()
    share = request.http.environ.get(SHORT, 1.0)
    return multipart.read(request.http, request.sandbox.incoming, share=share)


def _finish(request: OrganizationRequest, task: sqlite3.Row) -> ApiResponse:
    """Add the files of the request, if any, and queue the request that makes the frames."""
    form = _form(request)
    try:
        body = _with_lists(form.fields) if request.is_upload else request.body
        check_body(request, body, task["organization_id"])
        values = serializers.DATA.run_validation(body)
        request.sandbox.requests.check_ended(rq_id_of(task["id"]))
        _add_files(request, task, form)
        rq_id = request.sandbox.task_data.start(task, request.user.id, values)
    except RequestRunning as running:
        return ApiResponse({"rq_id": running.rq_id}, 409)
    finally:
        form.discard()
    return ApiResponse({"rq_id": rq_id}, 202)


def _add_files(request: OrganizationRequest, task: sqlite3.Row, form: UploadedForm) -> None:
    """Keep the files `client_files[0]`, …; those before one whose name exists remain."""
    task_data = request.sandbox.task_data
    data_id = task_data.of(task)
    try:
        files = [form.files[field] for field in multipart.indexed("client_files", form.files)]
        uploads.add(request.sandbox.db, data_id, files, task_data.raw(data_id))
    finally:
        form.discard()


def _with_lists(fields: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a form that are not empty, with `server_files[0]`, … collected into one list."""
    plain = {name: value for name, value in fields.items() if value and "[" not in name and name not in LISTS}
    lists = {name: [fields[item] for item in multipart.indexed(name, fields)] for name in LISTS}
    return {**plain, **{name: values for name, values in lists.items() if values}}


# -- meta


def get_task_meta(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return the frames of a task."""
    task = permitted_task(request, pk, "view")
    return ApiResponse(_meta(request, _data(request, task["data_id"])))


def update_task_meta(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Mark frames of a task as deleted."""
    task = permitted_task(request, pk, "update")
    data = _data(request, task["data_id"])
    wanted = _deleted_frames(request, range(data["size"]))
    request.sandbox.db.update("data", data["id"], {"deleted_frames": json.dumps(wanted)})
    return ApiResponse(_meta(request, _data(request, task["data_id"])))


def get_job_meta(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return the frames of a job."""
    job = permitted_job(request, pk, "view")
    return ApiResponse(_job_meta(request, job))


def update_job_meta(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Mark frames of a job as deleted; those of other jobs keep their mark."""
    job, db = permitted_job(request, pk, "annotate"), request.sandbox.db
    data, own = _data(request, job["data_id"]), set(jobs.frames_of(job))
    wanted = _deleted_frames(request, own)
    if job["type"] == "ground_truth":
        honeypot_changes.disable(db, data["id"], layout_of(data), wanted)
        return ApiResponse(_job_meta(request, job))
    others = [frame for frame in json.loads(data["deleted_frames"]) if frame not in own]
    db.update("data", data["id"], {"deleted_frames": json.dumps(sorted([*others, *wanted]))})
    return ApiResponse(_job_meta(request, job))


def _deleted_frames(request: OrganizationRequest, known: Any) -> list[int]:
    wanted = serializers.META.run_validation(request.body, partial=True).get("deleted_frames", [])
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        text = f"Unknown frames {', '.join(map(str, unknown))} requested for removal"
        raise ValidationError({"deleted_frames": [text]})
    return sorted(set(wanted))


def _data(request: OrganizationRequest, data_id: int | None) -> sqlite3.Row:
    data = request.sandbox.db.one("SELECT * FROM data WHERE id = ?", data_id)
    if data is None:
        raise Rejected(NO_DATA)
    return data


def _rows(request: OrganizationRequest, data: sqlite3.Row) -> list[sqlite3.Row]:
    return request.sandbox.db.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])


def _meta(request: OrganizationRequest, data: sqlite3.Row) -> dict[str, Any]:
    names = ("chunks_updated_date", "chunk_size", "size", "image_quality", "start_frame", "stop_frame", "frame_filter")
    return {
        "chapters": None, **{name: data[name] for name in names},
        "frames": [_frame_json(row) for row in _rows(request, data)],
        "deleted_frames": json.loads(data["deleted_frames"]), "included_frames": None, "storage": data["storage"],
        "cloud_storage_id": data["cloud_storage_id"],
    }  # fmt: skip


def _frame_json(row: sqlite3.Row) -> dict[str, Any]:
    return {"width": row["width"], "height": row["height"], "name": row["path"], "related_files": 0,
            "has_related_context": False}  # fmt: skip


def _job_meta(request: OrganizationRequest, job: sqlite3.Row) -> dict[str, Any]:
    """Return the meta of a job's frames. A job of chosen frames shows its range, with placeholders in between."""
    data = _data(request, job["data_id"])
    shown, first, last = _meta(request, data), job["start_frame"], job["stop_frame"]
    own = jobs.frames_of(job)
    frames = shown["frames"][first : last + 1]
    if job["segment_frames"] is not None:
        chosen = set(own)
        frames = [frame if number in chosen else {**frame, "name": "placeholder.jpg"}
                  for number, frame in enumerate(frames, first)]  # fmt: skip
        shown["included_frames"] = own
    step = (data["stop_frame"] - data["start_frame"]) // max(1, data["size"] - 1) or 1
    deleted = layout_of(data).disabled if job["type"] == "ground_truth" else shown["deleted_frames"]
    return {
        **shown, "frames": frames, "size": len(own), "start_frame": data["start_frame"] + first * step,
        "stop_frame": data["start_frame"] + last * step,
        "deleted_frames": [frame for frame in deleted if frame in set(own)],
    }  # fmt: skip


# -- frames and chunks


def get_task_data(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Return a frame, a chunk, the preview or the context images of a task."""
    task = permitted_task(request, pk, "view")
    data = _data(request, task["data_id"])
    return _media(request, data, range(data["size"]), f"Invalid frame '{{}}'. The frame number should be in the "
                  f"[0, {data['size']}] range")  # fmt: skip


def get_job_data(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Return a frame, a chunk, the preview or the context images of a job."""
    job = permitted_job(request, pk, "view")
    return _media(request, _data(request, job["data_id"]), jobs.frames_of(job), "Incorrect requested frame number: {}")


def _media(request: OrganizationRequest, data: sqlite3.Row, numbers: Any, unknown_frame: str) -> ApiResponse | Response:
    """Return what the query names. numbers: the frames that may be requested. unknown_frame: the text for others."""
    query, frames = request.query, _frames(request, data, numbers)
    kind, original = query.get("type", ""), query.get("quality", "compressed") == "original"
    if kind == "preview":
        return send_file(frames.preview(), "image/jpeg")
    number = _number(query)
    if kind == "chunk":
        return _chunk(request, data, numbers, number, original=original)
    if number not in numbers:
        return ApiResponse(unknown_frame.format(number), 400)
    image, name = frames.frame(list(numbers).index(number), original=original)
    return Response(image, content_type=mimetypes.guess_type(name)[0] or "application/octet-stream")


def _number(query: Mapping[str, str]) -> int:
    """Return the number of the frame or chunk that a query names. Raises Rejected for a query that is not complete."""
    if query.get("type", "") not in {"chunk", "frame", "context_image"}:
        raise Rejected("Data type not specified or has wrong value")
    number = query.get("number", query.get("index", ""))
    if not re.fullmatch(r"\d+", number):
        raise Rejected("Number is not specified")
    if query.get("quality", "compressed") not in {"compressed", "original"}:
        raise Rejected("Wrong quality value")
    return int(number)


def _chunk(
    request: OrganizationRequest, data: sqlite3.Row, numbers: Any, number: int, *, original: bool
) -> ApiResponse | Response:
    """Return a chunk of a task, for a job only its own frames; with `index`, a chunk of the job."""
    size, own = data["chunk_size"] or 1, list(numbers)
    if "index" in request.query:
        chosen = own[number * size : (number + 1) * size]
    else:
        chosen = [frame for frame in own if frame // size == number]
    if not chosen:
        first, last = (own[0] // size, own[-1] // size) if own else (0, 0)
        text = f"Invalid chunk number '{number}'. The chunk number should be in the [{first}, {last}] range"
        return ApiResponse(text, 400)
    file = _frames(request, data, chosen).chunk(0, original=original)
    response = send_file(file, "application/zip")
    response.headers |= {"X-Checksum": str(zlib.crc32(file.read_bytes())),
                         "X-Updated-Date": str(data["chunks_updated_date"])}  # fmt: skip
    return response


def _frames(request: OrganizationRequest, data: sqlite3.Row, numbers: Any) -> Frames:
    rows = {row["frame"]: row for row in _rows(request, data)}
    folder = request.sandbox.task_data.folder(data["id"])
    chosen = [rows[number] for number in numbers if number in rows]
    name = "" if len(chosen) == len(rows) else f"frames-{zlib.crc32(json.dumps(list(numbers)).encode())}"
    return Frames(folder, data, chosen, pillow=pillow12, cache=name, fetch=request.sandbox.cloud_files.fetch)


def get_task_preview(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Return a small JPEG of the first frame of a task."""
    task = permitted_task(request, pk, "view")
    data = _data(request, task["data_id"])
    return _preview(request, data, range(data["size"]))


def get_job_preview(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
    """Return a small JPEG of the first frame of a job."""
    job = permitted_job(request, pk, "view")
    return _preview(request, _data(request, job["data_id"]), jobs.frames_of(job))


def _preview(request: OrganizationRequest, data: sqlite3.Row, numbers: Any) -> ApiResponse | Response:
    file: Path = _frames(request, data, numbers).preview()
    return send_file(file, "image/jpeg")


ENDPOINTS = [
    Endpoint(
        "/api/tasks/<pk>/data",
        {"GET": get_task_data, "POST": upload, "OPTIONS": tus.options},
        "Data",
        parsers=PARSERS,
        with_slash=True,
    ),
    Endpoint("/api/tasks/<pk>/data/meta", {"GET": get_task_meta, "PATCH": update_task_meta}, "Metadata"),
    Endpoint("/api/tasks/<pk>/preview", {"GET": get_task_preview}, "Preview"),
    Endpoint("/api/jobs/<pk>/data", {"GET": get_job_data}, "Data"),
    Endpoint("/api/jobs/<pk>/data/meta", {"GET": get_job_meta, "PATCH": update_job_meta}, "Metadata"),
    Endpoint("/api/jobs/<pk>/preview", {"GET": get_job_preview}, "Preview"),
]
