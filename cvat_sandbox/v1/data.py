"""Endpoints for the data of a task: upload, chunks, frames, preview and meta."""

from __future__ import annotations

import mimetypes
import sqlite3
from pathlib import Path
from typing import Any

from flask import Response

from cvat_sandbox.errors import Crash, Forbidden, NotFound
from cvat_sandbox.rest.exceptions import NO_PERMISSION
from cvat_sandbox.rest.request import ApiRequest, parse_id
from cvat_sandbox.rest.responses import ApiResponse, send_file
from cvat_sandbox.state import tasks
from cvat_sandbox.state.media import Frames
from cvat_sandbox.v1.dispatch import Endpoint
from cvat_sandbox.v1.permissions import tasks_permission
from cvat_sandbox.v1.serializers import DATA_DEFAULTS, validate_data
from cvat_sandbox.v1.tasks import permitted_task
from cvat_sandbox.web import multipart
from cvat_sandbox.web.fault_middleware import SHORT

FILE_FIELDS = ("client_files", "server_files", "remote_files")


def upload(request: ApiRequest, pk: str) -> ApiResponse:
    """Receive files, or names of files to fetch, and queue the job that makes frames of them."""
    task = tasks.get(request.sandbox.db, parse_id(pk))
    if not request.is_upload:
        body = request.body
        return _create(request, task, _with_lists(body) if request.is_form else body, [], form=request.is_form)
    share = request.http.environ.get(SHORT, 1.0)
    form = multipart.read(request.http, request.sandbox.incoming, share=share)
    try:
        files = [form.files[name] for name in multipart.indexed("client_files", form.files)]
        return _create(request, task, _with_lists(form.fields), files, form=True)
    finally:
        form.discard()


def _create(
    request: ApiRequest, task: sqlite3.Row, body: Any, files: list[tuple[str, Path]], *, form: bool
) -> ApiResponse:
    values = validate_data(body, form=form)
    values |= {name: [str(item) for item in values[name]] for name in ("server_files", "remote_files")}
    if not all(isinstance(text, str) for text in values["client_files"]):
        raise Crash("AttributeError: a file is no text")
    request.sandbox.creations.start(task["id"], values, files)
    shown = [name for name, _ in files] or ["" for _ in values["client_files"]]
    return ApiResponse({**DATA_DEFAULTS, **values, "use_zip_chunks": False, "client_files": shown}, 202)


def _with_lists(fields: dict[str, Any]) -> dict[str, Any]:
    """Return form fields with `server_files[0]`, `server_files[1]`, … collected into one list."""
    plain = {name: value for name, value in fields.items() if "[" not in name and not name.endswith("_files")}
    lists = {prefix: [fields[name] for name in multipart.indexed(prefix, fields)] for prefix in FILE_FIELDS}
    return {**plain, **{prefix: values for prefix, values in lists.items() if values}}


def get_data(request: ApiRequest, pk: str) -> ApiResponse | Response:
    """Return a chunk, a frame or the preview. Every error is a text; most have the status 400."""
    kind, quality = request.query.get("type", ""), request.query.get("quality", "compressed")
    number = request.query.get("number")
    if error := _query_error(kind, quality, number):
        return ApiResponse(error, 400)
    try:
        frames = _frames(request, pk)
        if kind == "preview":
            return send_file(frames.preview(), "image/jpeg")
        number, quality = str(int(number or "")), f"Quality.{quality.upper()}"
        return _send_media(frames, kind, int(number), original=quality == "Quality.ORIGINAL")
    except Forbidden:
        return ApiResponse(NO_PERMISSION, 403)
    except NotFound:
        problem = "No Task matches the given query."
    except Exception as error:  # noqa: BLE001 - the real server, too, makes a text of every exception
        problem = str(error)
    return ApiResponse(f"cannot get requested data type: {kind}, number: {number}, quality: {quality}\n{problem}", 400)


def _query_error(kind: str, quality: str, number: str | None) -> str:
    """Return what is wrong with the query, or an empty string."""
    if kind not in {"chunk", "frame", "preview"}:
        return "data type not specified or has wrong value"
    if kind != "preview" and not number:
        return "number not specified"
    return "wrong quality value" if kind != "preview" and quality not in {"compressed", "original"} else ""


def _send_media(frames: Frames, kind: str, number: int, *, original: bool) -> Response:
    if kind == "chunk":
        return send_file(frames.chunk(number, original=original), "application/zip")
    image, name = frames.frame(number, original=original)
    return Response(image, headers={"Content-Type": str(mimetypes.guess_type(name))})  # a tuple, as the real one


def _frames(request: ApiRequest, pk: str) -> Frames:
    db, task = request.sandbox.db, permitted_task(request, pk, "access")
    data = db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
    if data is None:
        raise AttributeError("'NoneType' object has no attribute 'compressed_chunk_type'")
    frames = db.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])
    return Frames(request.sandbox.creations.folder(data["id"]), data, frames)


def get_meta(request: ApiRequest, pk: str) -> ApiResponse:
    """Return the frames of a task, to every user. A task without data crashes."""
    db = request.sandbox.db
    data = db.one("SELECT d.* FROM task t JOIN data d ON d.id = t.data_id WHERE t.id = ?", int(pk))
    if data is None:
        raise Crash("AttributeError: 'NoneType' object has no attribute 'images'")
    frames = db.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])
    names = ("chunk_size", "size", "image_quality", "start_frame", "stop_frame", "frame_filter")
    shown = [{"width": frame["width"], "height": frame["height"], "name": frame["path"]} for frame in frames]
    return ApiResponse({**{name: data[name] for name in names}, "frames": shown})


ENDPOINTS = [
    Endpoint(
        "/api/v1/tasks/<pk>/data", {"GET": get_data, "POST": upload}, "GET, POST, HEAD, OPTIONS", tasks_permission,
        "Data",
    ),
    Endpoint("/api/v1/tasks/<pk>/data/meta", {"GET": get_meta}, "GET, HEAD, OPTIONS", tasks_permission, "Data Info"),
]  # fmt: skip
