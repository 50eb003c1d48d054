"""Endpoints for requests, which show the state of slow work such as an export."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response

from cvat_sandbox.errors import Rejected
from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.rest.responses import ApiResponse, plain
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import is_admin

STATES = ("queued", "started", "failed", "finished")
FORMATLESS = ("calculate", "merge")
"""The actions whose requests do not even say that they have no format."""
UNKNOWN = "There is no request with specified id"
LISTING = Listing(
    "request t", "t.id",
    {
        "created_date": Column("t.created_date"), "status": Column("t.state", "choice", STATES),
        "action": Column("t.action"), "target": Column("t.target"), "subresource": Column("t.subresource"),
        "format": Column("t.format"), "project_id": Column("t.project_id", "number"),
        "task_id": Column("t.task_id", "number"), "job_id": Column("t.job_id", "number"),
        "org": Column("(SELECT slug FROM organization WHERE id = t.organization_id)"),
    },
    simple=("status", "action", "target", "subresource", "format", "project_id", "task_id", "job_id"),
    search=(), order="-created_date",
)  # fmt: skip


def list_requests(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the user's requests, newest first."""
    request.sandbox.requests.remove_expired()
    visible: tuple[str, list[Any]] = ("t.owner = ?", [request.user.id])
    return listed(request, LISTING, visible, lambda ids: _shown(request, rows_of(request.sandbox.db, "request", ids)))


def _shown(request: OrganizationRequest, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    owners = {row["id"]: row for row in rows_of(request.sandbox.db, "user", [row["owner"] for row in rows])}
    return [_request_json(row, owners.get(row["owner"]), request.url("")) for row in rows]


def _request_json(row: sqlite3.Row, owner: sqlite3.Row | None, root: str) -> dict[str, Any]:
    dates = ("created_date", "started_date", "finished_date", "expiry_date")
    return {
        "status": row["state"], "message": row["message"], "id": row["rq_id"],
        "operation": {
            "type": f"{row['action']}:{row['subresource'] or row['target']}", "target": row["target"],
            "project_id": row["project_id"], "task_id": row["task_id"], "job_id": row["job_id"],
            "org_id": row["organization_id"], **({} if row["action"] in FORMATLESS else {"format": row["format"]}),
            "lightweight": None,
        },
        "progress": 0.0, **{name: row[name] for name in dates},
        "owner": {"id": owner["id"], "username": owner["username"]} if owner else None,
        "result_url": f"{root}{row['result_url']}" if row["result_url"] else None, "result_id": row["result_id"],
    }  # fmt: skip


def get_request(request: OrganizationRequest, rq_id: str) -> ApiResponse | Response:
    """Return a request."""
    row = request.sandbox.requests.get(rq_id)
    if row is None:
        return plain(UNKNOWN, 404)
    _check(request, row)
    return ApiResponse(_shown(request, [row])[0])


def _check(request: OrganizationRequest, row: sqlite3.Row) -> None:
    """Raise PermissionDenied for the request of another user, Rejected when its object is gone."""
    target = row["target"]
    if request.sandbox.db.one(f"SELECT 1 FROM {target} WHERE id = ?", row["target_id"]) is None:  # noqa: S608 - the names are constants
        raise Rejected(f"{target.capitalize()} matching query does not exist.")
    if row["owner"] != request.user.id and not is_admin(request.user):
        raise PermissionDenied


def cancel_request(request: OrganizationRequest, rq_id: str) -> ApiResponse | Response:
    """Cancel a request that no worker has started."""
    row = request.sandbox.requests.get(rq_id)
    if row is None:
        return plain(UNKNOWN, 404)
    _check(request, row)
    if not request.sandbox.requests.cancel(rq_id):
        return plain("Only requests that have not yet been started can be cancelled", 400)
    return ApiResponse(status=200)


ENDPOINTS = [
    Endpoint("/api/requests", {"GET": list_requests}, "Request List"),
    Endpoint("/api/requests/<rq_id>", {"GET": get_request}, "Request Instance"),
    Endpoint("/api/requests/<rq_id>/cancel", {"POST": cancel_request}, "Cancel"),
]
