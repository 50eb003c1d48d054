"""Endpoints for the memberships of organizations."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.rest.fields import ChoiceField, Serializer
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import organizations
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Condition, Listing, listed
from cvat_sandbox.v2.representations import people_json, several
from cvat_sandbox.v2.request import OrganizationRequest, not_found
from cvat_sandbox.v2.rules import has_role, is_admin

LISTING = Listing(
    "membership m", "m.id",
    {"id": Column("m.id", "number"), "role": Column("m.role", "choice", organizations.ROLES),
     "user": Column("(SELECT username FROM user WHERE id = m.user_id)")},
    simple=("user", "role"), search=("user", "role"), order="-id",
)  # fmt: skip
SERIALIZER = Serializer({"role": ChoiceField(*organizations.ROLES)})
FIELDS = {"role": "change"}
"""The field that a PATCH may change."""


def list_memberships(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the memberships of an organization, or of the user's own ones."""
    return listed(request, LISTING, _visible(request), lambda ids: _shown(request, ids))


def _visible(request: OrganizationRequest) -> Condition:
    """Return the condition for the memberships of a list. Plain members do not see those that are not active."""
    permissions.check_list(request)
    user, space = request.user, permissions.request_space(request)
    if space.organization_id is None:
        return ("1", []) if is_admin(user) else ("m.user_id = ? AND m.is_active", [user.id])
    sees_all = is_admin(user) or has_role(space, "staff")
    return f"m.organization_id = ?{'' if sees_all else ' AND m.is_active'}", [space.organization_id]


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    rows = several(request.sandbox.db, organizations.MEMBERSHIPS, "m.id", ids)
    people = people_json(request.sandbox.db, [row["user_id"] for row in rows], request.url(""))
    return [
        {"id": row["id"], "user": people[row["user_id"]], "organization": row["organization_id"],
         "is_active": bool(row["is_active"]), "joined_date": row["joined_date"], "role": row["role"],
         "invitation": row["invitation"]}
        for row in rows
    ]  # fmt: skip


def membership_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of a membership."""
    return _shown(request, [key])[0]


def _find(request: OrganizationRequest, pk: str) -> sqlite3.Row:
    row = organizations.find_membership(request.sandbox.db, parse_id(pk))
    if row is None:
        raise not_found("membership")
    return row


def get_membership(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a membership."""
    row = _find(request, pk)
    permissions.check(request, "membership", "view active" if row["is_active"] else "view inactive", row)
    return ApiResponse(_shown(request, [row["id"]])[0])


def update_membership(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change the role of a member."""
    row = _find(request, pk)
    permissions.check_fields(request.body, FIELDS)
    permissions.check(request, "membership", f"change {row['role']}", row)
    values = SERIALIZER.run_validation(request.body, partial=True)
    organizations.change_role(request.sandbox.db, row, values.get("role", row["role"]))
    return ApiResponse(_shown(request, [row["id"]])[0])


def delete_membership(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Remove a member, or leave the organization."""
    row = _find(request, pk)
    permissions.check(request, "membership", f"delete {row['role']}", row)
    organizations.delete_membership(request.sandbox.db, row)
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/memberships", {"GET": list_memberships}, "Membership List"),
    Endpoint(
        "/api/memberships/<pk>",
        {"GET": get_membership, "PATCH": update_membership, "DELETE": delete_membership},
        "Membership Instance",
    ),
]
