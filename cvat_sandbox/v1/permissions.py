"""Permissions of endpoints, checked before the object of a request is read."""

from __future__ import annotations

from collections.abc import Callable

from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.rest.permissions import SAFE_METHODS, is_authenticated
from cvat_sandbox.rest.request import ApiRequest

TASK_METHODS = (*SAFE_METHODS, "POST", "PATCH", "PUT", "DELETE")
JOB_METHODS = (*SAFE_METHODS, "PATCH", "PUT", "DELETE")

Permission = Callable[[ApiRequest], None]
"""Raises NotAuthenticated or PermissionDenied."""


def tasks_permission(request: ApiRequest) -> None:
    """Allow POST to admins and users, and methods that tasks do not have to admins (they get 405, others 403)."""
    is_authenticated(request)
    method = request.http.method
    if method == "POST" and not request.user.is_in("admin", "user"):
        raise PermissionDenied
    if method not in TASK_METHODS and not request.user.is_in("admin"):
        raise PermissionDenied


def jobs_permission(request: ApiRequest) -> None:
    """Allow methods that jobs do not have to admins only (they get 405, others 403)."""
    is_authenticated(request)
    if request.http.method not in JOB_METHODS and not request.user.is_in("admin"):
        raise PermissionDenied


def users_permission(request: ApiRequest) -> None:
    """Allow every user to read, to change themselves, and admins to change others.

    An id that is no number crashes a request that changes something, even without credentials.
    """
    method = request.http.method
    user_id = 0 if method in SAFE_METHODS else int((request.http.view_args or {}).get("pk", "0"))
    is_authenticated(request)
    if method not in SAFE_METHODS and user_id != request.user.id and not request.user.is_in("admin"):
        raise PermissionDenied
