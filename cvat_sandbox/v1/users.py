"""Endpoints for login, logout, registration and users."""

from __future__ import annotations

from typing import Any

from cvat_sandbox.errors import NotFound
from cvat_sandbox.rest.authentication import logout, open_session
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.paging import page_of, paged
from cvat_sandbox.rest.permissions import allow_any
from cvat_sandbox.rest.request import ApiRequest, parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state.database import BrokenConstraint
from cvat_sandbox.state.users import User, Users
from cvat_sandbox.v1 import serializers
from cvat_sandbox.v1.dispatch import Endpoint
from cvat_sandbox.v1.filters import order_by
from cvat_sandbox.v1.permissions import users_permission
from cvat_sandbox.v1.representations import user_json

SHORT_FIELDS = ("id", "username", "first_name", "last_name", "email")
FULL_FIELDS = (*SHORT_FIELDS, "is_staff", "is_superuser", "is_active", "last_login", "date_joined")
"""The columns by which staff can order the list of users; others can order it by SHORT_FIELDS."""


def login(request: ApiRequest) -> ApiResponse:
    """Return the token of the user, and open a session."""
    user = _check_login(request.sandbox.users, request.body, form=request.is_form)
    open_session(request.sandbox.users, user)
    return ApiResponse({"key": request.sandbox.users.token(user)})


def _check_login(users: Users, body: Any, *, form: bool) -> User:
    values = serializers.LOGIN.run_validation(body, form=form)
    if not values.get("username"):
        raise ValidationError({"non_field_errors": ['Must include "username" and "password".']})
    user = users.authenticate(values["username"], values["password"])
    if user is None:
        raise ValidationError({"non_field_errors": ["Unable to log in with provided credentials."]})
    return user


def register(request: ApiRequest) -> ApiResponse:
    """Create a user without groups; return the token, and open a session."""
    users = request.sandbox.users
    user = _register(users, request.body, form=request.is_form)
    open_session(users, user)
    return ApiResponse({"key": users.token(user)}, 201)


def _register(users: Users, body: Any, *, form: bool) -> User:
    values = serializers.registration(users).run_validation(body, form=form)
    if values["password1"] != values["password2"]:
        raise ValidationError({"non_field_errors": ["The two password fields didn't match."]})
    cut = {name: values.get(name, "")[:length] for name, length in serializers.NAME_LENGTHS.items()}
    try:
        user_id = users.create(values["username"], values["password1"], groups=[], **cut)
    except BrokenConstraint:  # another request has just registered the name
        raise ValidationError({"username": ["A user with that username already exists."]}) from None
    user = users.get(user_id)
    assert user is not None
    return user


def list_users(request: ApiRequest) -> ApiResponse:
    """Return a page of the users: with all fields for staff, in the short form for others."""
    full = request.user.is_staff
    users = request.sandbox.users.all(order_by(request.query, FULL_FIELDS if full else SHORT_FIELDS, "id"))
    first, size = page_of(request, len(users))
    page = [user_json(user, request.url(""), full=full) for user in users[first : first + size]]
    return paged(request, len(users), page)


def get_self(request: ApiRequest) -> ApiResponse:
    """Return the user who asks."""
    return ApiResponse(user_json(request.user, request.url(""), full=True))


def get_user(request: ApiRequest, pk: str) -> ApiResponse:
    """Return a user: with all fields for staff and for the user, in the short form for others."""
    user = _user(request, pk)
    full = request.user.is_staff or user.id == request.user.id
    return ApiResponse(user_json(user, request.url(""), full=full))


def update_user(request: ApiRequest, pk: str) -> ApiResponse:
    """Change a user."""
    user, full = _user(request, pk), request.user.is_staff
    serializer = serializers.user(request.sandbox.users, user.id, full=full)
    values = serializer.run_validation(request.body, partial=True)
    _check_known_fields(set(request.body), is_staff=full)
    changed = request.sandbox.users.update(user, values)
    return ApiResponse(user_json(changed, request.url(""), full=full))


def _check_known_fields(names: set[str], *, is_staff: bool) -> None:
    unknown = names - {"url", *SHORT_FIELDS}
    if unknown and not is_staff:
        forbidden = {"is_staff", "is_superuser", "groups"} & unknown
        text = "You do not have permissions to access some of these fields" if forbidden else "Got unknown fields"
        raise ValidationError({"non_field_errors": [f"{text}: {unknown}"]})


def delete_user(request: ApiRequest, pk: str) -> ApiResponse:
    """Delete a user."""
    request.sandbox.users.delete(_user(request, pk))
    return ApiResponse(status=204)


def _user(request: ApiRequest, pk: str) -> User:
    user = request.sandbox.users.get(parse_id(pk))
    if user is None:
        raise NotFound
    return user


ENDPOINTS = [
    Endpoint("/api/v1/auth/login", {"POST": login}, "POST, OPTIONS", allow_any, "Login", suffixed=False),
    Endpoint("/api/v1/auth/logout", {"POST": logout}, "GET, POST, HEAD, OPTIONS", allow_any, "Logout", suffixed=False),
    Endpoint("/api/v1/auth/register", {"POST": register}, "POST, OPTIONS", allow_any, "Register", suffixed=False),
    Endpoint("/api/v1/users", {"GET": list_users}, "GET, HEAD", users_permission, "User List"),
    Endpoint("/api/v1/users/self", {"GET": get_self}, "GET, HEAD", users_permission, "Self"),
    Endpoint("/api/v1/users/<pk>", {"GET": get_user, "PATCH": update_user, "DELETE": delete_user},
             "GET, HEAD, PATCH, DELETE", users_permission, "User Instance"),
]  # fmt: skip
