"""Endpoints for personal access tokens."""

from __future__ import annotations

import sqlite3
from typing import Any

from cvat_sandbox.rest.exceptions import NotAuthenticated, PermissionDenied
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import access_tokens
from cvat_sandbox.state.database import now
from cvat_sandbox.v2 import serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import people_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import is_admin

LISTING = Listing(
    "access_token t", "t.id",
    {"id": Column("t.id", "number"), "name": Column("t.name"), "created_date": Column("t.created_date"),
     "updated_date": Column("t.updated_date"), "expiry_date": Column("t.expiry_date"),
     "last_used_date": Column("t.last_used_date"), "read_only": Column("t.read_only", "boolean")},
    simple=("name",), search=("name",), order="-id",
)  # fmt: skip


def list_tokens(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the user's tokens that have not expired."""
    visible = ("t.owner = ? AND (t.expiry_date IS NULL OR t.expiry_date > ?)", [request.user.id, now()])
    return listed(
        request, LISTING, visible, lambda ids: _shown(request, rows_of(request.sandbox.db, "access_token", ids))
    )


def _shown(request: OrganizationRequest, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    people = people_json(request.sandbox.db, [row["owner"] for row in rows], request.url(""))
    names = ("id", "name", "created_date", "updated_date", "expiry_date", "last_used_date")
    return [
        {**{name: row[name] for name in names}, "read_only": bool(row["read_only"]), "owner": people[row["owner"]]}
        for row in rows
    ]


def create_token(request: OrganizationRequest) -> ApiResponse:
    """Create a token; the response is the only one with its value. A token cannot create another one."""
    if request.access_token is not None:
        raise PermissionDenied
    values = serializers.ACCESS_TOKEN.run_validation(request.body)
    key, value = access_tokens.create(request.sandbox.db, request.user.id, values)
    return ApiResponse({**_one(request, key), "value": value}, 201)


def _one(request: OrganizationRequest, key: int) -> dict[str, Any]:
    return _shown(request, rows_of(request.sandbox.db, "access_token", [key]))[0]


def get_own_token(request: OrganizationRequest) -> ApiResponse:
    """Return the token with which the request was sent."""
    if request.access_token is None:
        raise NotAuthenticated
    return ApiResponse(_one(request, request.access_token["id"]))


def get_token(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a token."""
    return ApiResponse(_one(request, _permitted(request, pk)["id"]))


def update_token(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a token."""
    token = _permitted(request, pk)
    values = serializers.ACCESS_TOKEN.run_validation(request.body, partial=True)
    request.sandbox.db.update("access_token", token["id"], {**values, "updated_date": now()})
    return ApiResponse(_one(request, token["id"]))


def delete_token(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a token."""
    request.sandbox.db.execute("DELETE FROM access_token WHERE id = ?", _permitted(request, pk)["id"])
    return ApiResponse(status=204)


def _permitted(request: OrganizationRequest, pk: str) -> sqlite3.Row:
    token = request.find("access_token", pk)
    changes = request.http.method != "GET"
    if (token["owner"] != request.user.id and not is_admin(request.user)) or (changes and request.access_token):
        raise PermissionDenied
    return token


ENDPOINTS = [
    Endpoint("/api/auth/access_tokens", {"GET": list_tokens, "POST": create_token}, "Access Token List"),
    Endpoint("/api/auth/access_tokens/self", {"GET": get_own_token}, "Self", challenge="Bearer"),
    Endpoint("/api/auth/access_tokens/<pk>",
             {"GET": get_token, "PATCH": update_token, "DELETE": delete_token}, "Access Token Instance"),
]  # fmt: skip
