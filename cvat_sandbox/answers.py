"""Answers, and the refusals that any part of the server may raise."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_FOUND_PAGE = "<h1>Not Found</h1><p>The requested resource was not found on this server.</p>"
ERROR_PAGE = "<h1>Server Error (500)</h1>"


@dataclass(frozen=True)
class Answer:
    """JSON with a status; `data` None is an empty body."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request is refused with a status and a JSON body."""

    def __init__(self, status: int, detail: Any) -> None:
        self.status, self.detail = status, detail
        super().__init__(f"{status} {detail}")


class NotFound(Refusal):
    """There is no such object."""

    def __init__(self, detail: str = "Not found.") -> None:
        super().__init__(404, {"detail": detail})


class Forbidden(Refusal):
    """The user may not do this."""

    def __init__(self, detail: str = "You do not have permission to perform this action.") -> None:
        super().__init__(403, {"detail": detail})


class Unauthorized(Refusal):
    """Nobody, or nobody known, is asking."""

    def __init__(self, detail: str = "Authentication credentials were not provided.") -> None:
        super().__init__(401, {"detail": detail})


class Page(Exception):
    """The answer is an HTML page, as outside of the REST framework."""

    def __init__(self, status: int, html: str, **headers: str) -> None:
        self.status, self.html, self.headers = status, html, headers
        super().__init__(str(status))

    def response(self) -> Response:
        """The page."""
        kind = self.headers.pop("content_type", "text/html")
        return Response(self.html, self.status, headers=self.headers, content_type=kind)


class Crash(Exception):
    """The real server has a bug here: it answers 500, perhaps with part of the effect."""


def written(data: Any) -> str:
    """JSON as the REST framework writes it; ValueError for NaN and infinity."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class WorkerError(Exception):
    """A worker's job failed where CVAT raises a plain Exception."""


def in_words(error: BaseException) -> str:
    """An exception as rq keeps it: its type and its text."""
    kind = type(error)
    name = "Exception" if isinstance(error, WorkerError) else kind.__name__
    if kind.__module__ not in {"builtins", __name__} and not isinstance(error, WorkerError):
        name = f"{kind.__module__}.{name}"
    return f"{name}: {error}" if str(error) else name
