"""Permissions of endpoints that all families have."""

from __future__ import annotations

from cvat_sandbox.rest.exceptions import NotAuthenticated
from cvat_sandbox.rest.request import ApiRequest

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def allow_any(request: ApiRequest) -> None:
    """Allow every request."""


def is_authenticated(request: ApiRequest) -> None:
    """Allow every user."""
    if request.authenticated is None:
        raise NotAuthenticated
