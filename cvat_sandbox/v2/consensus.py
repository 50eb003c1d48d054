"""Endpoints for consensus: settings, and merges of replicas into their parent jobs."""

from __future__ import annotations

import json
from typing import Any

from cvat_sandbox.rest.fields import FloatField, IntegerField, Serializer
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state.database import Database
from cvat_sandbox.state.quality import CONSENSUS_SETTINGS, values_of
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.jobs import find_job
from cvat_sandbox.v2.representations import rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.tasks import permitted_task
from cvat_sandbox.v2.validation_fields import require_one
from cvat_sandbox.workers.requests import RequestRunning

LISTING = Listing(
    "consensus_settings s JOIN task t ON t.id = s.task_id", "s.id",
    {"id": Column("s.id", "number"), "task_id": Column("s.task_id", "number")}, simple=("task_id",), order="id",
)  # fmt: skip
SETTINGS = Serializer({"iou_threshold": FloatField(min_value=0, max_value=1)})
NEW_MERGE = Serializer({"task_id": IntegerField(required=False), "job_id": IntegerField(required=False)})


def list_settings(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the settings of tasks with replicas, oldest first."""
    db = request.sandbox.db
    return listed(request, LISTING, permissions.visible(request, "task"), lambda ids: _settings_json(db, ids))


def _settings_json(db: Database, ids: list[int]) -> list[dict[str, Any]]:
    return [
        {"id": row["id"], "task_id": row["task_id"], **values_of(row, CONSENSUS_SETTINGS)}
        for row in rows_of(db, "consensus_settings", ids)
    ]


def get_settings(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return settings."""
    row = request.find("consensus_settings", pk)
    permitted_task(request, str(row["task_id"]), "view")
    return ApiResponse(_settings_json(request.sandbox.db, [row["id"]])[0])


def update_settings(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change settings."""
    row, db = request.find("consensus_settings", pk), request.sandbox.db
    permitted_task(request, str(row["task_id"]), "update")
    values = SETTINGS.run_validation(request.body, partial=True)
    db.update("consensus_settings", row["id"], {"values": json.dumps({**json.loads(row["values"]), **values})})
    return ApiResponse(_settings_json(db, [row["id"]])[0])


def create_merge(request: OrganizationRequest) -> ApiResponse:
    """Queue the merge of all parent jobs of a task, or of one parent job."""
    values = NEW_MERGE.run_validation(request.body)
    require_one(values, ("task_id", "job_id"))
    parent = find_job(request, str(values["job_id"])) if "job_id" in values else None
    key = parent["task_id"] if parent is not None else values["task_id"]
    task = permitted_task(request, str(key), "update")
    try:
        rq_id = request.sandbox.merges.start(task, request.user.id, parent["id"] if parent is not None else None)
    except RequestRunning as running:
        return ApiResponse({"rq_id": running.rq_id}, 409)
    return ApiResponse({"rq_id": rq_id}, 202)


ENDPOINTS = [
    Endpoint("/api/consensus/settings", {"GET": list_settings}, "Consensus Settings List"),
    Endpoint("/api/consensus/settings/<pk>", {"GET": get_settings, "PATCH": update_settings},
             "Consensus Settings Instance"),
    Endpoint("/api/consensus/merges", {"POST": create_merge}, "Consensus Merges List"),
]  # fmt: skip
