"""Endpoints for invitations to organizations. The server has no e-mail back end, so that sending one fails."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.fields import ChoiceField, EmailField, Serializer
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import organizations
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Condition, Listing, listed
from cvat_sandbox.v2.representations import people_json, several
from cvat_sandbox.v2.request import OrganizationRequest, not_found
from cvat_sandbox.v2.rules import has_privilege, has_role, is_admin

LISTING = Listing(
    "invitation v JOIN membership m ON m.id = v.membership_id", "v.id",
    {"owner": Column("(SELECT username FROM user WHERE id = v.owner)"), "created_date": Column("v.created_date"),
     "user_id": Column("m.user_id", "number"), "accepted": Column("m.is_active", "boolean")},
    simple=("owner",), search=("owner",), order="-created_date",
)  # fmt: skip
SERIALIZER = Serializer({"role": ChoiceField(*organizations.ROLES), "email": EmailField()})
NOT_SENT = "Email backend is not configured."


def list_invitations(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the invitations that the user sent or got, or of those to an organization."""
    return listed(request, LISTING, _visible(request), lambda ids: _shown(request, ids))


def _visible(request: OrganizationRequest) -> Condition:
    permissions.check_list(request)
    user, space = request.user, permissions.request_space(request)
    here = space.organization_id
    condition, values = ("1", []) if here is None else ("m.organization_id = ?", [here])
    if is_admin(user) or (has_role(space, "staff") and has_privilege(user, "user")):
        return condition, values
    return f"{condition} AND (v.owner = ? OR m.user_id = ?)", [*values, user.id, user.id]


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    rows = several(request.sandbox.db, organizations.INVITATIONS, "v.id", ids)
    involved = [row[name] for row in rows for name in ("owner", "user_id")]
    people = people_json(request.sandbox.db, involved, request.url(""))
    return [
        {"key": row["key"], "created_date": row["created_date"], "owner": people[row["owner"]], "role": row["role"],
         "user": people[row["user_id"]], "organization": row["organization_id"], "expired": None,
         "accepted": bool(row["is_active"]), "organization_info": {"id": row["organization_id"], "slug": row["slug"]}}
        for row in rows
    ]  # fmt: skip


def invitation_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of an invitation."""
    return _shown(request, [key])[0]


def create_invitation(request: OrganizationRequest) -> ApiResponse:
    """Invite a user to the organization that the request names."""
    body = request.body
    offered = body.get("role") if isinstance(body, dict) else None
    role = offered if offered in organizations.ROLES else "worker"
    permissions.check_creation(request, "invitation", f"create {role}")
    values = SERIALIZER.run_validation(body)
    organization_id = request.organization.id
    if organization_id is None:
        raise Crash("IntegrityError: a membership needs an organization")
    db, users = request.sandbox.db, request.sandbox.users
    key, is_known = organizations.invite(db, users, organization_id, request.user.id, values)
    if not is_known:
        return ApiResponse(NOT_SENT, 500)
    return ApiResponse(_shown(request, [_find(request, key)["id"]])[0], 201)


def _find(request: OrganizationRequest, key: str) -> sqlite3.Row:
    row = organizations.find_invitation(request.sandbox.db, key)
    if row is None:
        raise not_found("invitation")
    return row


def _permitted(request: OrganizationRequest, key: str, action: str) -> sqlite3.Row:
    row = _find(request, key)
    permissions.check(request, "invitation", action, row)
    return row


def get_invitation(request: OrganizationRequest, key: str) -> ApiResponse:
    """Return an invitation."""
    return ApiResponse(_shown(request, [_permitted(request, key, "view")["id"]])[0])


def delete_invitation(request: OrganizationRequest, key: str) -> ApiResponse:
    """Delete an invitation. The membership remains."""
    organizations.delete_invitation(request.sandbox.db, _permitted(request, key, "delete"))
    return ApiResponse(status=204)


def accept_invitation(request: OrganizationRequest, key: str) -> ApiResponse:
    """Accept an invitation."""
    row = _permitted(request, key, "accept")
    if row["is_active"]:
        return ApiResponse("Your invitation is already accepted.", 400)
    organizations.accept(request.sandbox.db, row["membership_id"])
    return ApiResponse({"organization_slug": row["slug"]})


def decline_invitation(request: OrganizationRequest, key: str) -> ApiResponse:
    """Decline an invitation. This deletes the membership, also an active one."""
    row = _permitted(request, key, "decline")
    membership = organizations.find_membership(request.sandbox.db, row["membership_id"])
    assert membership is not None
    organizations.delete_membership(request.sandbox.db, membership)
    return ApiResponse(status=204)


def resend_invitation(request: OrganizationRequest, key: str) -> ApiResponse:
    """Fail to send an invitation again."""
    row = _permitted(request, key, "resend")
    return ApiResponse("This invitation is already accepted.", 400) if row["is_active"] else ApiResponse(NOT_SENT, 500)


ENDPOINTS = [
    Endpoint("/api/invitations", {"GET": list_invitations, "POST": create_invitation}, "Invitation List"),
    Endpoint("/api/invitations/<key>", {"GET": get_invitation, "DELETE": delete_invitation}, "Invitation Instance"),
    Endpoint("/api/invitations/<key>/accept", {"POST": accept_invitation}, "Accept"),
    Endpoint("/api/invitations/<key>/decline", {"POST": decline_invitation}, "Decline"),
    Endpoint("/api/invitations/<key>/resend", {"POST": resend_invitation}, "Resend"),
]
