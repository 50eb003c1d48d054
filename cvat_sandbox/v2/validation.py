"""Endpoints for the validation frames of tasks and jobs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cvat_sandbox.errors import Rejected
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import honeypot_changes, jobs
from cvat_sandbox.state.validation import Layout, UnsuitableFrames, honeypots_of, layout_of
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.jobs import permitted_job
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.tasks import permitted_task
from cvat_sandbox.v2.validation_fields import JOB_LAYOUT, TASK_LAYOUT, check_method


def get_task_layout(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return the validation frames and honeypots of a task."""
    task = permitted_task(request, pk, "view")
    return ApiResponse(_task_json(request, task["data_id"]))


def _task_json(request: OrganizationRequest, data_id: int | None) -> dict[str, Any]:
    layout = _layout(request, data_id)
    shown: dict[str, Any] = {"mode": layout.mode, "frames_per_job_count": layout.frames_per_job}
    if data_id is None or layout.mode is None:
        return shown
    shown |= {"validation_frames": layout.frames, "disabled_frames": layout.disabled}
    return {**shown, **(_honeypots_json(honeypots_of(request.sandbox.db, data_id)) if layout.mode == "gt_pool" else {})}


def _honeypots_json(honeypots: Mapping[int, int]) -> dict[str, Any]:
    return {"honeypot_count": len(honeypots), "honeypot_frames": list(honeypots),
            "honeypot_real_frames": list(honeypots.values())}  # fmt: skip


def _layout(request: OrganizationRequest, data_id: int | None) -> Layout:
    data = request.sandbox.db.one("SELECT * FROM data WHERE id = ?", data_id)
    return layout_of(data) if data is not None else Layout()


def get_job_layout(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return the honeypots of a job; nothing for a task without honeypots."""
    return ApiResponse(_job_json(request, permitted_job(request, pk, "view")))


def _job_json(request: OrganizationRequest, job: sqlite3.Row) -> dict[str, Any]:
    if _layout(request, job["data_id"]).mode != "gt_pool":
        return {}
    own = set(jobs.frames_of(job))
    known = honeypots_of(request.sandbox.db, job["data_id"])
    return _honeypots_json({frame: real for frame, real in known.items() if frame in own})


@contextmanager
def _unsuitable_rejected() -> Iterator[None]:
    try:
        yield
    except UnsuitableFrames as error:
        raise Rejected(str(error)) from error


def update_job_layout(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Give the honeypots of a job other validation frames."""
    job = permitted_job(request, pk, "update")
    values = JOB_LAYOUT.run_validation(request.body)
    check_method(values, "honeypot_real_frames")
    layout = _layout(request, job["data_id"])
    if layout.mode != "gt_pool":
        raise Rejected(honeypot_changes.NOT_POOL)
    if job["type"] == "ground_truth":
        raise Rejected("Honeypots cannot exist in ground_truth jobs")
    with _unsuitable_rejected():
        _change(request, job, layout, values.get("honeypot_real_frames"))
    return ApiResponse(_job_json(request, job))


def update_task_layout(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Set the validation frames that no report uses, and give all honeypots other validation frames."""
    task = permitted_task(request, pk, "update")
    values, db = TASK_LAYOUT.run_validation(request.body), request.sandbox.db
    check_method(values, "honeypot_real_frames")
    layout = _layout(request, task["data_id"])
    if layout.mode is None:
        raise Rejected("Validation is not configured in the task")
    with _unsuitable_rejected(), db.transaction():
        if "disabled_frames" in values:
            honeypot_changes.disable(db, task["data_id"], layout, values["disabled_frames"])
        if "frame_selection_method" in values:
            _change_all(request, task, values.get("honeypot_real_frames"))
    return ApiResponse(_task_json(request, task["data_id"]))


def _change_all(request: OrganizationRequest, task: sqlite3.Row, wanted: Sequence[int] | None) -> None:
    layout, known = _layout(request, task["data_id"]), honeypots_of(request.sandbox.db, task["data_id"])
    if layout.mode != "gt_pool":
        raise Rejected(honeypot_changes.NOT_POOL)
    if wanted is not None and len(wanted) != len(known):
        raise Rejected(f"Invalid size of 'honeypot_real_frames' array, expected {len(known)}")
    by_frame = dict(zip(known, wanted or (), strict=False))
    sql = f"{jobs.SELECT} WHERE j.task_id = ? AND j.type = 'annotation' ORDER BY s.start_frame"
    for job in request.sandbox.db.all(sql, task["id"]):
        own = [frame for frame in jobs.frames_of(job) if frame in known]
        _change(request, job, layout, None if wanted is None else [by_frame[frame] for frame in own])


def _change(request: OrganizationRequest, job: sqlite3.Row, layout: Layout, wanted: Sequence[int] | None) -> None:
    """Change the honeypots of a job; the chunks that show them are made again."""
    if honeypot_changes.change(request.sandbox.db, job, layout, wanted):
        folder = request.sandbox.task_data.folder(job["data_id"])
        for cached in [*folder.glob("frames-*"), folder / "original", folder / "compressed", folder / "preview.jpeg"]:
            if cached.is_dir():
                shutil.rmtree(cached, ignore_errors=True)
            else:
                cached.unlink(missing_ok=True)


ENDPOINTS = [
    Endpoint("/api/tasks/<pk>/validation_layout", {"GET": get_task_layout, "PATCH": update_task_layout},
             "Validation Layout"),
    Endpoint("/api/jobs/<pk>/validation_layout", {"GET": get_job_layout, "PATCH": update_job_layout},
             "Validation Layout"),
]  # fmt: skip
