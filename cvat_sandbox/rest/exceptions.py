"""Exceptions that become JSON responses with an error status, named as in Django REST framework.

The errors of the rules (`cvat_sandbox.errors`) become responses too: `response_of` has the table.
"""

from __future__ import annotations

from typing import Any

from cvat_sandbox.errors import Forbidden, InvalidAnnotation, NotFound, Rejected
from cvat_sandbox.web.multipart import MultipartError

NO_PERMISSION = "You do not have permission to perform this action."
NO_CREDENTIALS = "Authentication credentials were not provided."
NULL = ["This field may not be null."]


class ApiException(Exception):
    """The response has this status and the JSON `detail`."""

    def __init__(self, status: int, detail: Any) -> None:
        self.status, self.detail = status, detail
        super().__init__(f"{status} {detail}")


class ValidationError(Exception):
    """A value is not valid. `detail` is the JSON of the response: a list of texts, or a dict from field to such."""

    def __init__(self, detail: Any) -> None:
        self.detail = [detail] if isinstance(detail, str) else detail
        super().__init__(str(detail))


class PermissionDenied(ApiException):
    """The user may not do this."""

    def __init__(self, detail: str = NO_PERMISSION) -> None:
        super().__init__(403, {"detail": detail})


class NotAuthenticated(ApiException):
    """The request has no credentials, or wrong ones."""

    def __init__(self, detail: str = NO_CREDENTIALS) -> None:
        super().__init__(401, {"detail": detail})


HANDLED = (
    ApiException,
    ValidationError,
    MultipartError,
    NotFound,
    Forbidden,
    Rejected,
    InvalidAnnotation,
)
"""The exceptions that `response_of` accepts. Any other is a bug of the real server, which answers 500."""


def response_of(error: Exception) -> tuple[int, Any]:
    """Return the status and the JSON of the response for an exception of HANDLED."""
    match error:
        case ApiException():
            return error.status, error.detail
        case ValidationError(detail=detail):
            return 400, {"non_field_errors": ["No data provided"]} if detail == NULL else detail
        case MultipartError():
            return 400, {"detail": str(error)}
        case NotFound():
            return 404, {"detail": str(error) or "Not found."}
        case Forbidden():
            return 403, {"detail": NO_PERMISSION}
        case _:
            return 400, [str(error)] if isinstance(error, Rejected) else str(error)
