"""Authentication of 2.x: personal access tokens, the token of a login, sessions and passwords, in this order."""

from __future__ import annotations

from cvat_sandbox.rest.authentication import csrf_problem, read_header
from cvat_sandbox.rest.exceptions import NotAuthenticated, PermissionDenied
from cvat_sandbox.rest.permissions import SAFE_METHODS
from cvat_sandbox.state import access_tokens
from cvat_sandbox.v2.request import OrganizationRequest

BEARER = "bearer"


def authenticate(request: OrganizationRequest) -> None:
    """Set the user of a request, and the access token if it has one. Raises NotAuthenticated, PermissionDenied."""
    word, *rest = request.http.headers.get("Authorization", "").split() or [""]
    if word.lower() == BEARER:
        _by_access_token(request, rest[0] if len(rest) == 1 else "")
        return
    users = request.sandbox.users
    credentials = read_header(users, request.http)
    user = users.find_by_session(request.http.cookies.get("sessionid"))
    if user and not (credentials and credentials.scheme == "token"):
        if problem := csrf_problem(request.http, missing=_csrf_text(request)):
            raise PermissionDenied(f"CSRF Failed: {problem}")
        request.authenticated = user
    elif credentials:
        request.authenticated = credentials.user


def _csrf_text(request: OrganizationRequest) -> str:
    return f"CSRF token {'from the header incorrect' if 'X-CSRFToken' in request.http.headers else 'missing'}."


def _by_access_token(request: OrganizationRequest, value: str) -> None:
    token = access_tokens.find(request.sandbox.db, value)
    user = request.sandbox.users.get(token["owner"]) if token else None
    if token is None or user is None or not user.is_active:
        raise NotAuthenticated("Invalid token.")
    request.authenticated, request.access_token = user, token


def check_token_scope(request: OrganizationRequest) -> None:
    """Raise PermissionDenied for a change with a read-only access token."""
    token = request.access_token
    if token is not None and token["read_only"] and request.http.method not in SAFE_METHODS:
        raise PermissionDenied
