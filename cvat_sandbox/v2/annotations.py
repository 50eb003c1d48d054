"""Endpoints for the annotations of jobs and tasks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from flask import Response

from cvat_sandbox.errors import Crash, DuplicateAnnotation, InvalidAnnotation
from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.responses import ApiResponse, plain
from cvat_sandbox.state import labeled_data
from cvat_sandbox.state.labeled_data import Action
from cvat_sandbox.v2 import removed
from cvat_sandbox.v2.dispatch import JSON, Endpoint
from cvat_sandbox.v2.imports import start_import
from cvat_sandbox.v2.jobs import permitted_job
from cvat_sandbox.v2.labeled_data import validate
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.tasks import permitted_task

PARSERS = (*JSON, "multipart/form-data", "application/offset+octet-stream")
ACTIONS = ("create", "update", "delete")
EXPORT_PARAMETERS = {"format", "filename", "action", "location", "cloud_storage_id"}
IMPORT_PARAMETERS = {"format", "rq_id"}
NO_DATA = "Exporting annotations from a task without data is not allowed"
MISSING_DATA = "'NoneType' object has no attribute 'validation_mode'"
Data = dict[str, Any]


@dataclass(frozen=True)
class _Target:
    """What has annotations: a job or a task."""

    kind: Literal["job", "task"]
    permitted: Callable[[OrganizationRequest, str, str], sqlite3.Row]
    read: Callable[..., Data]
    write: Callable[..., Data]
    clear: Callable[..., None]

    def get(self, request: OrganizationRequest, pk: str) -> ApiResponse | Response:
        """Return the annotations."""
        row = self.permitted(request, pk, "view")
        if row["data_id"] is None:
            return plain(NO_DATA, 400)
        if EXPORT_PARAMETERS & set(request.query):
            return removed.export(self.kind, save_images=False)
        return ApiResponse(self.read(request.sandbox.db, row["id"]))

    def put(self, request: OrganizationRequest, pk: str) -> ApiResponse | Response:
        """Replace the annotations."""
        row = self.permitted(request, pk, "annotate")
        if IMPORT_PARAMETERS & set(request.query):
            return removed.import_status()
        body = validate(request.body, "put")
        if row["data_id"] is None:
            raise Crash(f"AttributeError: {MISSING_DATA}")
        return self._written(request, row, "put", body)

    def patch(self, request: OrganizationRequest, pk: str) -> ApiResponse:
        """Create, update or delete annotations."""
        row, action = self.permitted(request, pk, "annotate"), request.query.get("action", "")
        if action not in ACTIONS:
            raise ApiException(400, ["Please specify a correct 'action' for the request"])
        body = validate(request.body, cast("Action", action))
        if row["data_id"] is None:
            raise ApiException(400, MISSING_DATA)
        return self._written(request, row, cast("Action", action), body)

    def _written(self, request: OrganizationRequest, row: sqlite3.Row, action: Action, body: Data) -> ApiResponse:
        try:
            return ApiResponse(self.write(request.sandbox.db, row["id"], action, body))
        except DuplicateAnnotation:
            raise
        except InvalidAnnotation as error:
            raise ApiException(400, [str(error)]) from error

    def delete(self, request: OrganizationRequest, pk: str) -> ApiResponse:
        """Delete all annotations."""
        row = self.permitted(request, pk, "annotate")
        if row["data_id"] is None:
            raise Crash(f"AttributeError: {MISSING_DATA}")
        self.clear(request.sandbox.db, row["id"])
        return ApiResponse(status=204)

    def endpoint(self) -> Endpoint:
        """Return the endpoint of these annotations."""
        handlers = {"GET": self.get, "POST": start_import(self.kind), "PUT": self.put, "PATCH": self.patch,
                    "DELETE": self.delete}  # fmt: skip
        path = f"/api/{self.kind}s/<pk>/annotations"
        return Endpoint(path, handlers, "Annotations", parsers=PARSERS, with_slash=True)


JOB = _Target("job", permitted_job, labeled_data.read_job, labeled_data.write_job, labeled_data.clear_job)
TASK = _Target("task", permitted_task, labeled_data.read_task, labeled_data.write_task, labeled_data.clear_task)
ENDPOINTS = [JOB.endpoint(), TASK.endpoint()]
