"""Endpoints for organizations."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import CharField, Field, Serializer
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import organizations
from cvat_sandbox.state.database import Database
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Condition, Listing, listed
from cvat_sandbox.v2.representations import people_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import is_admin

LISTING = Listing(
    "organization t", "t.id",
    {"id": Column("t.id", "number"), "slug": Column("t.slug"), "name": Column("t.name"),
     "owner": Column("(SELECT username FROM user WHERE id = t.owner)")},
    simple=("name", "owner", "slug"), search=("name", "owner", "slug"), order="-id",
)  # fmt: skip
MAX_SLUG_LENGTH = 16


class SlugField(CharField):
    """A slug that no other organization has. All of its faults are named at once."""

    def __init__(self, db: Database, except_id: int) -> None:
        super().__init__()
        self._db, self._except_id = db, except_id

    def to_internal_value(self, value: Any) -> str:
        """Return the slug."""
        slug = super().to_internal_value(value)
        other = self._db.one("SELECT 1 FROM organization WHERE slug = ? AND id != ?", slug, self._except_id)
        faults = {
            "organization with this slug already exists.": other is not None,
            f"Ensure this field has no more than {MAX_SLUG_LENGTH} characters.": len(slug) > MAX_SLUG_LENGTH,
            'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.':
                not re.fullmatch(r"[-a-zA-Z0-9_]+", slug),
        }  # fmt: skip
        if any(faults.values()):
            raise ValidationError([text for text, is_present in faults.items() if is_present])
        return slug


def _serializer(db: Database, *, except_id: int = 0) -> Serializer:
    """Return the serializer of an organization; `except_id` is the one that is changed."""
    return Serializer({
        "slug": SlugField(db, except_id), "name": CharField(max_length=64, allow_blank=True, required=False),
        "description": CharField(allow_blank=True, required=False), "contact": Field(required=False),
    })  # fmt: skip


def list_organizations(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the organizations of which the user is a member; of all for an admin."""
    return listed(request, LISTING, _visible(request), lambda ids: _shown(request, ids))


def _visible(request: OrganizationRequest) -> Condition:
    if is_admin(request.user):
        return "1", []
    member = "t.id IN (SELECT organization_id FROM membership WHERE user_id = ? AND is_active)"
    return f"{member} OR t.owner = ?", [request.user.id, request.user.id]


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    rows = rows_of(request.sandbox.db, "organization", ids)
    people = people_json(request.sandbox.db, [row["owner"] for row in rows], request.url(""))
    names = ("id", "slug", "name", "description", "created_date", "updated_date")
    return [
        {**{name: row[name] for name in names}, "contact": json.loads(row["contact"]), "owner": people[row["owner"]]}
        for row in rows
    ]


def organization_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of an organization."""
    return _shown(request, [key])[0]


def create_organization(request: OrganizationRequest) -> ApiResponse:
    """Create an organization, which the user owns."""
    permissions.check_founder(request)
    values = _serializer(request.sandbox.db).run_validation(request.body)
    key = organizations.create(request.sandbox.db, request.user.id, values)
    return ApiResponse(_shown(request, [key])[0], 201)


def _permitted(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    row = request.find("organization", pk)
    permissions.check(request, "organization", action, row)
    return row


def get_organization(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return an organization."""
    return ApiResponse(_shown(request, [_permitted(request, pk, "view")["id"]])[0])


def update_organization(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change an organization."""
    row = _permitted(request, pk, "update")
    serializer = _serializer(request.sandbox.db, except_id=row["id"])
    organizations.change(request.sandbox.db, row, serializer.run_validation(request.body, partial=True))
    return ApiResponse(_shown(request, [row["id"]])[0])


def delete_organization(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete an organization."""
    organizations.delete(request.sandbox.db, _permitted(request, pk, "delete"))
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/organizations", {"GET": list_organizations, "POST": create_organization}, "Organization List"),
    Endpoint(
        "/api/organizations/<pk>",
        {"GET": get_organization, "PATCH": update_organization, "DELETE": delete_organization},
        "Organization Instance",
    ),
]
