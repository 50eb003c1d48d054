"""Endpoints for login, logout, registration and users."""

from __future__ import annotations

from typing import Any

from cvat_sandbox.rest.authentication import logout, open_session
from cvat_sandbox.rest.exceptions import PermissionDenied, ValidationError
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state.users import User
from cvat_sandbox.v2 import serializers
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.permissions import check_list
from cvat_sandbox.v2.representations import person_json, user_json
from cvat_sandbox.v2.request import OrganizationRequest, not_found
from cvat_sandbox.v2.rules import is_admin

LISTING = Listing(
    "user t", "t.id",
    {
        "id": Column("t.id", "number"), "username": Column("t.username"), "first_name": Column("t.first_name"),
        "last_name": Column("t.last_name"), "email": Column("t.email"),
        "is_active": Column("t.is_active", "boolean"),
    },
    simple=("id", "is_active", "username", "first_name", "last_name", "email"),
    search=("username", "first_name", "last_name"), order="-id",
)  # fmt: skip


def login(request: OrganizationRequest) -> ApiResponse:
    """Return the token of the user, and open a session."""
    values, users = serializers.LOGIN.run_validation(request.body), request.sandbox.users
    name, email, password = (values.get(field, "") for field in ("username", "email", "password"))
    if not (name or email) or not password:
        raise ValidationError(['Must include either "username" or "email" and "password".'])
    user = users.authenticate(name, password) if name else users.authenticate_email(email, password)
    if user is None:
        raise ValidationError({"non_field_errors": ["Unable to log in with provided credentials."]})
    open_session(users, user)
    return ApiResponse({"key": users.token(user)})


def register(request: OrganizationRequest) -> ApiResponse:
    """Create a user and return them with their token."""
    users = request.sandbox.users
    values = serializers.registration(users).run_validation(request.body)
    if values["password1"] != values["password2"]:
        raise ValidationError({"non_field_errors": ["The two password fields didn't match."]})
    names = {name: values.get(name, "") for name in ("first_name", "last_name")}
    key = users.create(values["username"], values["password1"], email=values["email"], groups=["user"], **names)
    user = users.get(key)
    assert user is not None
    return ApiResponse({
        **names, "username": user.username, "email": user.email, "email_verification_required": False,
        "key": users.token(user),
    }, 201)  # fmt: skip


def list_users(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the users: all for an admin, the members of an organization, or only the user."""
    check_list(request)
    organization, user = request.organization, request.user
    condition, values = ("1", []) if is_admin(user) else ("t.id = ?", [user.id])
    if organization.id is not None:
        condition, values = "t.id IN (SELECT user_id FROM membership WHERE organization_id = ?)", [organization.id]
    several = request.sandbox.users.several
    return listed(
        request, LISTING, (condition, values), lambda ids: [_shown(request, member) for member in several(ids)]
    )


def _shown(request: OrganizationRequest, user: User) -> dict[str, Any]:
    """Return a user: complete for an admin, short for others, but see `get_user`."""
    show = user_json if is_admin(request.user) else person_json
    return show(user, request.url(""))


def _get(request: OrganizationRequest, key: int) -> User:
    user = request.sandbox.users.get(key)
    if user is None:
        raise not_found("user")
    return user


def get_self(request: OrganizationRequest) -> ApiResponse:
    """Return the user who asks."""
    return ApiResponse(user_json(request.user, request.url("")))


def get_user(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a user: complete for an admin and for the user, short for the other members of an organization."""
    user = _get(request, parse_id(pk))
    if user.id == request.user.id:
        return get_self(request)
    if not is_admin(request.user) and request.organization.role is None:
        raise PermissionDenied
    return ApiResponse(_shown(request, user))


def update_user(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a user."""
    user = _changeable(request, pk)
    if set(request.body) - set(serializers.USER.fields):
        raise PermissionDenied("Attempted to update an unknown field")
    values = serializers.USER.run_validation(request.body, partial=True)
    return ApiResponse(user_json(request.sandbox.users.update(user, values), request.url("")))


def delete_user(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a user."""
    request.sandbox.users.delete(_changeable(request, pk))
    return ApiResponse(status=204)


def _changeable(request: OrganizationRequest, pk: str) -> User:
    user = _get(request, parse_id(pk))
    if user.id != request.user.id and not is_admin(request.user):
        raise PermissionDenied
    return user


ENDPOINTS = [
    Endpoint("/api/auth/login", {"POST": login}, "Login", is_public=True),
    Endpoint("/api/auth/logout", {"GET": logout, "POST": logout}, "Logout", is_public=True),
    Endpoint("/api/auth/register", {"POST": register}, "Register", is_public=True),
    Endpoint("/api/users", {"GET": list_users}, "User List"),
    Endpoint("/api/users/self", {"GET": get_self}, "Self"),
    Endpoint("/api/users/<pk>", {"GET": get_user, "PATCH": update_user, "DELETE": delete_user}, "User Instance"),
]
