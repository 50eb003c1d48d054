"""Annotations of jobs and tasks, exports and imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvat_sandbox import annotating, tasks, uploads
from cvat_sandbox.answers import Answer, Crash, Page, Refusal
from cvat_sandbox.exports import Download
from cvat_sandbox.formats import IMPORTERS
from cvat_sandbox.permissions import check_job, check_task
from cvat_sandbox.routes_data import send
from cvat_sandbox.web import Call, Endpoint, jobs_gate, tasks_gate

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from flask import Response

ALLOW = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
ACTIONS = ("create", "update", "delete")


def read_job(call: Call, pk: str) -> Answer:
    """The annotations of a job."""
    row = _job(call, pk, "access")
    return Answer(annotating.read_job(call.sandbox.store, row))


def put_job(call: Call, pk: str) -> Answer:
    """Replace the annotations of a job, or import a file into it."""
    row = _job(call, pk, "change")
    if call.query.get("format"):
        return _import(call, "job", row)
    body = annotating.BODY.run(call.body, form=call.is_form)
    return Answer(annotating.change_job(call.sandbox.store, row["id"], "put", body))


def patch_job(call: Call, pk: str) -> Answer:
    """Create, update or delete annotations of a job."""
    row, action = _job(call, pk, "change"), _action(call)
    body = annotating.BODY.run(call.body, form=call.is_form)
    return Answer(annotating.change_job(call.sandbox.store, row["id"], action, body))


def clear_job(call: Call, pk: str) -> Answer:
    """Delete the annotations of a job."""
    row = _job(call, pk, "change")
    annotating.change_job(call.sandbox.store, row["id"], "put", None)
    return Answer(status=204)


def read_task(call: Call, pk: str) -> Answer | Response:
    """The annotations of a task, or with `format` an export."""
    row = _task(call, pk, "access")
    if call.query.get("format"):
        return _export(call, row, "annotations")
    return Answer(annotating.read_task(call.sandbox.store, row["id"]))


def dataset(call: Call, pk: str) -> Answer | Response:
    """An export with the images."""
    return _export(call, _task(call, pk, "access"), "dataset")


def _export(call: Call, row: sqlite3.Row, kind: str) -> Answer | Response:
    result = call.sandbox.exports.ask(row, kind, call.query, call.url(""))
    return send(result.file, "application/zip", result.disposition) if isinstance(result, Download) else result


def put_task(call: Call, pk: str) -> Answer:
    """Replace the annotations of a task, or import a file; here a bad label crashes."""
    row = _task(call, pk, "change")
    if call.query.get("format"):
        return _import(call, "task", row)
    body = annotating.BODY.run(call.body, form=call.is_form)
    try:
        return Answer(annotating.change_task(call.sandbox.store, row["id"], "put", body))
    except Refusal as refusal:
        raise Crash(str(refusal.detail)) from refusal


def patch_task(call: Call, pk: str) -> Answer:
    """Create, update or delete annotations of a task."""
    row, action = _task(call, pk, "change"), _action(call)
    body = annotating.BODY.run(call.body, form=call.is_form)
    return Answer(annotating.change_task(call.sandbox.store, row["id"], action, body))


def clear_task(call: Call, pk: str) -> Answer:
    """Delete the annotations of a task."""
    annotating.clear_task(call.sandbox.store, _task(call, pk, "change")["id"])
    return Answer(status=204)


def _import(call: Call, kind: str, row: sqlite3.Row) -> Answer:
    format_name = call.query["format"]
    return call.sandbox.imports.ask(
        call.who.username, kind, row, format_name, lambda: _annotation_file(call, format_name)
    )


def _annotation_file(call: Call, format_name: str) -> Path:
    """The file of the body, taken over; what else is in the body is dropped."""
    if call.media_type != "multipart/form-data" or not call.has_body:
        refusal = "The submitted data was not a file. Check the encoding type on the form."
        sent = isinstance(call.body, dict) and "annotation_file" in call.body
        raise Refusal(400, {"annotation_file": [refusal if sent else "No file was submitted."]})
    try:
        body = uploads.read(call.request, call.sandbox.incoming)
    except uploads.ConnectionGone:
        raise Page(400, "<h1>Bad Request (400)</h1>") from None
    _, file = body.files.get("annotation_file", ("", None))
    try:
        if file is None:
            raise Refusal(400, {"annotation_file": ["No file was submitted."]})
        if not file.stat().st_size:
            raise Refusal(400, {"annotation_file": ["The submitted file is empty."]})
        if format_name not in IMPORTERS:
            raise Refusal(400, [f"Unknown input format '{format_name}'"])
        body.temporary.remove(file)
        return file
    finally:
        body.discard()


def _action(call: Call) -> str:
    action = call.query.get("action", "")
    if action not in ACTIONS:
        raise Refusal(400, ["Please specify a correct 'action' for the request"])
    return action


def _job(call: Call, pk: str, need: str) -> sqlite3.Row:
    row = tasks.job(call.sandbox.store, pk)
    check_job(call.sandbox.store, call.who, row, need)
    return row


def _task(call: Call, pk: str, need: str) -> sqlite3.Row:
    row = tasks.task(call.sandbox.store, pk)
    check_task(call.sandbox.store, call.who, row, need)
    return row


ENDPOINTS = [
    Endpoint(
        "/api/v1/jobs/<pk>/annotations",
        {"GET": read_job, "PUT": put_job, "PATCH": patch_job, "DELETE": clear_job}, ALLOW, jobs_gate, "Annotations",
    ),
    Endpoint(
        "/api/v1/tasks/<pk>/annotations",
        {"GET": read_task, "PUT": put_task, "PATCH": patch_task, "DELETE": clear_task},
        ALLOW, tasks_gate, "Annotations",
    ),
    Endpoint("/api/v1/tasks/<pk>/dataset", {"GET": dataset}, "GET, HEAD, OPTIONS", tasks_gate, "Dataset Export"),
]  # fmt: skip
