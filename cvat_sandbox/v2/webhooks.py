"""Endpoints for webhooks and their deliveries."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ApiException, PermissionDenied, ValidationError
from cvat_sandbox.rest.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    IntegerField,
    MultipleChoiceField,
    Serializer,
    UrlField,
)
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import webhooks
from cvat_sandbox.state.database import Database
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import people_json, person_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import RULES, is_admin, is_allowed

LISTING = Listing(
    "webhook t", "t.id",
    {
        "id": Column("t.id", "number"), "target_url": Column("t.target_url"),
        "owner": Column("(SELECT username FROM user WHERE id = t.owner)"),
        "type": Column("t.type", "choice", webhooks.TYPES), "description": Column("t.description"),
        "project_id": Column("t.project_id", "number"), "updated_date": Column("t.updated_date"),
    },
    simple=("target_url", "owner", "type", "project_id"), search=("target_url", "owner", "type", "description"),
    order="-id",
)  # fmt: skip
DELIVERIES = Listing(
    "webhook_delivery d", "d.id", {"id": Column("d.id", "number"), "updated_date": Column("d.updated_date")},
    order="-updated_date",
)  # fmt: skip
WEBHOOK = Serializer({
    "target_url": UrlField(max_length=8192), "description": CharField(max_length=128, allow_blank=True, required=False),
    "type": ChoiceField(*webhooks.TYPES), "content_type": ChoiceField(*webhooks.CONTENT_TYPES, required=False),
    "secret": CharField(max_length=64, allow_blank=True, required=False), "is_active": BooleanField(required=False),
    "enable_ssl": BooleanField(required=False), "project_id": IntegerField(required=False, allow_null=True),
    "events": MultipleChoiceField(*webhooks.EVENTS["all"]),
})  # fmt: skip
CHANGES = Serializer({name: field for name, field in WEBHOOK.fields.items() if name not in {"type", "project_id"}})
"""What an update changes; it leaves the type and the project alone."""


def webhooks_json(db: Database, rows: list[sqlite3.Row], root: str) -> list[dict[str, Any]]:
    """Return the JSON of webhooks; `last_status` is there after the first delivery."""
    people = people_json(db, [row["owner"] for row in rows], root)
    last = webhooks.last_deliveries(db, [row["id"] for row in rows])
    return [
        {
            "id": row["id"], "url": f"{root}/api/webhooks/{row['id']}",
            **{name: row[name] for name in ("target_url", "description", "type", "content_type")},
            "is_active": bool(row["is_active"]), "enable_ssl": bool(row["enable_ssl"]),
            "created_date": row["created_date"], "updated_date": row["updated_date"], "owner": people[row["owner"]],
            "project_id": row["project_id"], "organization": row["organization_id"],
            "events": json.loads(row["events"]), **_last_json(last.get(row["id"])),
        }
        for row in rows
    ]  # fmt: skip


def _last_json(delivery: sqlite3.Row | None) -> dict[str, Any]:
    if delivery is None:
        return {}
    return {"last_status": delivery["status_code"], "last_delivery_date": delivery["updated_date"]}


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    return webhooks_json(db, rows_of(db, "webhook", ids), request.url(""))


def list_webhooks(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the webhooks that the user sees, newest first."""
    return listed(request, LISTING, permissions.visible(request, "webhook"), lambda ids: _shown(request, ids))


def create_webhook(request: OrganizationRequest) -> ApiResponse:
    """Create a webhook. That of a project belongs to the organization of the project.

    Without the project or the organization that its type needs, the database refuses it, and the response is 500.
    """
    body = request.body if isinstance(request.body, dict) else {}
    project = _project(request, body.get("project_id"))
    _check_creation(request, body.get("type"), project)
    values = WEBHOOK.run_validation(request.body)
    _check_events(values["type"], values)
    organization_id = project["organization_id"] if project else request.organization.id
    values |= {"owner": request.user.id, "organization_id": organization_id}
    key = webhooks.create(request.sandbox.db, values)
    return ApiResponse(_shown(request, [key])[0], 201, {"Location": request.url(f"/api/webhooks/{key}")})


def _project(request: OrganizationRequest, project_id: Any) -> sqlite3.Row | None:
    """Return the project that a new webhook names, if the user may see it."""
    if not project_id:
        return None
    project = request.sandbox.db.one("SELECT * FROM project WHERE id = ?", project_id)
    if project is None:
        raise ValidationError([f"Could not find project with provided id: {project_id}"])
    permissions.check(request, "project", "view", project)
    return project


def _check_creation(request: OrganizationRequest, kind: Any, project: sqlite3.Row | None) -> None:
    """Raise PermissionDenied unless the user may create such a webhook where the request says."""
    if is_admin(request.user):
        return
    if kind not in webhooks.TYPES:
        raise PermissionDenied
    is_owner = project is not None and project["owner"] == request.user.id
    rule, space = RULES["webhook", f"create in {kind}"], permissions.request_space(request)
    if not is_allowed(request.user, rule, space, {"project owner"} if is_owner else ()):
        raise PermissionDenied


def _check_events(kind: str, values: dict[str, Any]) -> None:
    if not set(values.get("events", ())) <= set(webhooks.EVENTS[kind]):
        raise ValidationError({"non_field_errors": [f"Invalid events list for {kind} webhook"]})


def permitted_webhook(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the webhook of a path; raises NotFound, or PermissionDenied if the user may not `action` it."""
    webhook = request.find("webhook", pk)
    permissions.check(request, "webhook", action, webhook)
    return webhook


def get_webhook(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a webhook."""
    return ApiResponse(_shown(request, [permitted_webhook(request, pk, "view")["id"]])[0])


def update_webhook(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a webhook with PATCH, or all of it with PUT. Unknown fields are ignored, and those that are fixed."""
    webhook = permitted_webhook(request, pk, "update")
    values = CHANGES.run_validation(request.body, partial=request.http.method == "PATCH")
    _check_events(webhook["type"], values)
    webhooks.change(request.sandbox.db, webhook["id"], values)
    return ApiResponse(_shown(request, [webhook["id"]])[0])


def delete_webhook(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a webhook with its deliveries."""
    webhooks.delete(request.sandbox.db, permitted_webhook(request, pk, "update")["id"])
    return ApiResponse(status=204)


def list_events(request: OrganizationRequest) -> ApiResponse:
    """Return the events of a type of webhook."""
    kind = request.query.get("type", "all")
    if kind not in webhooks.EVENTS:
        raise ApiException(400, "Incorrect value of type parameter")
    events = [{"key": key, "group": {"display_name": webhooks.GROUPS[key]}} for key in webhooks.EVENTS[kind]]
    return ApiResponse({"webhook_type": kind, "events": events})


# -- deliveries


def ping(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Send a ping at once, and return the delivery."""
    webhook = permitted_webhook(request, pk, "update")
    root = request.url("")
    payload = {"event": webhooks.PING, "webhook": _shown(request, [webhook["id"]])[0],
               "sender": person_json(request.user, root)}  # fmt: skip
    delivery_id = request.sandbox.deliveries.send_now(webhook, json.dumps(payload))
    return ApiResponse(_deliveries_json(request.sandbox.db, [delivery_id])[0])


def list_deliveries(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a page of the deliveries of a webhook, the latest first."""
    own = ("d.webhook_id = ?", [permitted_webhook(request, pk, "view")["id"]])
    return listed(request, DELIVERIES, own, lambda ids: _deliveries_json(request.sandbox.db, ids))


def get_delivery(request: OrganizationRequest, pk: str, delivery_id: str) -> ApiResponse:
    """Return a delivery of a webhook."""
    delivery = _delivery(request, permitted_webhook(request, pk, "view"), delivery_id)
    return ApiResponse(_deliveries_json(request.sandbox.db, [delivery["id"]])[0])


def redeliver(request: OrganizationRequest, pk: str, delivery_id: str) -> ApiResponse:
    """Queue the body of a delivery once more."""
    webhook = permitted_webhook(request, pk, "update")
    delivery, sandbox = _delivery(request, webhook, delivery_id), request.sandbox
    webhooks.queue(sandbox.db, webhook["id"], delivery["request"], redelivery=True)
    sandbox.deliveries.wake()
    return ApiResponse({})


def _delivery(request: OrganizationRequest, webhook: sqlite3.Row, delivery_id: str) -> sqlite3.Row:
    sql = "SELECT * FROM webhook_delivery WHERE webhook_id = ? AND id = ?"
    delivery = request.sandbox.db.one(sql, webhook["id"], parse_id(delivery_id))
    if delivery is None:
        raise Crash("DoesNotExist: WebhookDelivery matching query does not exist.")
    return delivery


def _deliveries_json(db: Database, ids: list[int]) -> list[dict[str, Any]]:
    names = ("id", "webhook_id", "event", "status_code")
    more = ("attempt", "request_duration", "created_date", "updated_date", "changed_fields")
    return [
        {
            **{name: row[name] for name in names}, "redelivery": bool(row["redelivery"]),
            **{name: row[name] for name in more}, "request": json.loads(row["request"]), "response": row["response"],
        }
        for row in rows_of(db, "webhook_delivery", ids)
    ]  # fmt: skip


ENDPOINTS = [
    Endpoint("/api/webhooks", {"GET": list_webhooks, "POST": create_webhook}, "Webhook List"),
    Endpoint("/api/webhooks/events", {"GET": list_events}, "Events", is_public=True),
    Endpoint("/api/webhooks/<pk>", {"GET": get_webhook, "PUT": update_webhook, "PATCH": update_webhook,
                                    "DELETE": delete_webhook}, "Webhook Instance"),
    Endpoint("/api/webhooks/<pk>/ping", {"POST": ping}, "Ping"),
    Endpoint("/api/webhooks/<pk>/deliveries", {"GET": list_deliveries}, "Deliveries"),
    Endpoint("/api/webhooks/<pk>/deliveries/<delivery_id>", {"GET": get_delivery}, "Retrieve Delivery"),
    Endpoint("/api/webhooks/<pk>/deliveries/<delivery_id>/redelivery", {"POST": redeliver}, "Redelivery"),
]  # fmt: skip
