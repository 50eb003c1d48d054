"""The data of a task: upload, chunks, frames, preview and meta."""

from __future__ import annotations

import contextlib
import mimetypes
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.wsgi import wrap_file

from cvat_sandbox import creation, tasks, uploads
from cvat_sandbox.answers import Answer, Crash, Page, Refusal
from cvat_sandbox.media import Frames
from cvat_sandbox.permissions import check_task
from cvat_sandbox.uploads import ConnectionGone
from cvat_sandbox.web import Call, Endpoint, tasks_gate

if TYPE_CHECKING:
    import sqlite3


def upload(call: Call, pk: str) -> Answer:
    """Take files, or the names of files to fetch; a worker makes frames of them."""
    row = tasks.task(call.sandbox.store, pk)
    if call.media_type != "multipart/form-data" or not call.has_body:
        return _take(call, row, call.body, [], form=call.is_form)
    try:
        body = uploads.read(call.request, call.sandbox.incoming, share=call.request.environ.get("sandbox.short", 1.0))
    except ConnectionGone:
        raise Page(400, "<h1>Bad Request (400)</h1>") from None
    try:
        names = uploads.indexed("client_files", list(body.files))
        return _take(call, row, _lists(body.fields), [body.files[name] for name in names], form=True)
    finally:
        body.discard()


def _take(call: Call, row: sqlite3.Row, body: Any, files: list[tuple[str, Path]], *, form: bool) -> Answer:
    if form and isinstance(body, dict):
        body = _lists(body)
    clean = creation.check(body, form=form)
    clean |= {name: [str(item) for item in clean[name]] for name in ("server_files", "remote_files")}
    if not all(isinstance(text, str) for text in clean["client_files"]):
        raise Crash("AttributeError: a file is no text")
    call.sandbox.creations.receive(row["id"], clean, files)
    shown = [name for name, _ in files] or ["" for _ in clean["client_files"]]
    return Answer({**creation.answer(clean), "client_files": shown}, 202)


def _lists(fields: dict[str, Any]) -> dict[str, Any]:
    """Form fields with `server_files[0]`, … gathered into lists."""
    plain = {name: value for name, value in fields.items() if "[" not in name and not name.endswith("_files")}
    lists = {prefix: [fields[name] for name in uploads.indexed(prefix, list(fields))]
             for prefix in ("client_files", "server_files", "remote_files")}  # fmt: skip
    return {**plain, **{prefix: values for prefix, values in lists.items() if values}}


def data(call: Call, pk: str) -> Answer | Response:
    """A chunk, a frame or the preview; every failure is a text with the status 400."""
    kind, quality = call.query.get("type", ""), call.query.get("quality", "compressed")
    number = call.query.get("number")
    if refusal := _refusal(kind, quality, number):
        return Answer(refusal, 400)
    try:
        frames = _frames(call, pk)
        if kind == "preview":
            return send(frames.preview(), "image/jpeg")
        number, quality = str(int(number or "")), f"Quality.{quality.upper()}"
        return _sent(frames, kind, int(number), original=quality == "Quality.ORIGINAL")
    except Refusal as error:
        if error.status != 404:
            return Answer(error.detail["detail"], error.status)
        problem = "No Task matches the given query."
    except Exception as error:  # noqa: BLE001 - the real server, too, makes a text of every exception
        problem = str(error)
    return Answer(f"cannot get requested data type: {kind}, number: {number}, quality: {quality}\n{problem}", 400)


def _refusal(kind: str, quality: str, number: str | None) -> str:
    """What is wrong with a query, or nothing."""
    if kind not in {"chunk", "frame", "preview"}:
        return "data type not specified or has wrong value"
    if kind != "preview" and not number:
        return "number not specified"
    return "wrong quality value" if kind != "preview" and quality not in {"compressed", "original"} else ""


def _sent(frames: Frames, kind: str, number: int, *, original: bool) -> Response:
    if kind == "chunk":
        return send(frames.chunk(number, original=original), "application/zip")
    image, name = frames.frame(number, original=original)
    return Response(image, headers={"Content-Type": str(mimetypes.guess_type(name))})


def _frames(call: Call, pk: str) -> Frames:
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, "access")
    found = call.sandbox.store.one("SELECT * FROM data WHERE id = ?", row["data_id"])
    if found is None:
        raise AttributeError("'NoneType' object has no attribute 'compressed_chunk_type'")
    frames = call.sandbox.store.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", found["id"])
    return Frames(call.sandbox.creations.folder(found["id"]), found, frames)


def meta(call: Call, pk: str) -> Answer:
    """The frames of a task, for everybody; what has no data crashes."""
    row = call.sandbox.store.one("SELECT d.* FROM task t JOIN data d ON d.id = t.data_id WHERE t.id = ?", int(pk))
    if row is None:
        raise Crash("AttributeError: 'NoneType' object has no attribute 'images'")
    frames = call.sandbox.store.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", row["id"])
    names = ("chunk_size", "size", "image_quality", "start_frame", "stop_frame", "frame_filter")
    shown = [{"width": frame["width"], "height": frame["height"], "name": frame["path"]} for frame in frames]
    return Answer({**{name: row[name] for name in names}, "frames": shown})


def send(file: Path, kind: str, disposition: str = "") -> Response:
    """A file from the disk."""
    handle = file.open("rb")
    response = Response(wrap_file({}, handle, 2**18), content_type=kind, direct_passthrough=True)
    response.call_on_close(handle.close)
    with contextlib.suppress(OSError):
        response.headers["Last-Modified"] = formatdate(file.stat().st_mtime, usegmt=True)
    response.content_length = file.stat().st_size
    if disposition:
        response.headers["Content-Disposition"] = disposition
    return response


ENDPOINTS = [
    Endpoint("/api/v1/tasks/<pk>/data", {"GET": data, "POST": upload}, "GET, POST, HEAD, OPTIONS", tasks_gate, "Data"),
    Endpoint("/api/v1/tasks/<pk>/data/meta", {"GET": meta}, "GET, HEAD, OPTIONS", tasks_gate, "Data Info"),
]
