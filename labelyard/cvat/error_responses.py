"""Error responses as the exceptions that they mean, with the server's message in one safe line.

CVAT responds with bare JSON strings, lists, maps of fields at any depth, HTML pages and Python tracebacks, and repeats
what it received, presigned URLs included.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from labelyard.cvat.exchange import Response
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatDisagrees,
    CvatError,
    CvatNotFound,
    CvatRefused,
    CvatUnauthorized,
    redact,
)

MAX_MESSAGE_LENGTH = 300
"""Characters of a server's message that are kept."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses that ask the client to try later."""

_ERRORS = (
    (CvatUnauthorized, frozenset({401, 403})),
    (CvatNotFound, frozenset({404})),
    (CvatRefused, range(400, 500)),
    (CvatCrashed, range(500, 600)),
)
"""The error of each status; the first match counts."""

_UNNAMED = frozenset({"detail", "non_field_errors", "message"})
"""Keys that are no field names; only their values are kept."""


def error_for(request: str, response: Response) -> CvatError:
    """Return the error that `response` means; `request` is the method and path that caused it."""
    message, status = message_of(response), response.status
    if status in BUSY:
        return CvatBusy(message, after=retry_after(response), request=request, status=status)
    if 300 <= status < 400:
        return _redirect_error(request, response)
    for error, statuses in _ERRORS:
        if status in statuses:
            return error(message, request=request, status=status)
    return CvatDisagrees(f"responded {status}: {message}", request=request, status=status)


def _redirect_error(request: str, response: Response) -> CvatError:
    """Return CvatUnauthorized for a redirect to the login page, CvatDisagrees for any other."""
    target = response.headers.get("location", "")
    if target.rstrip("/").endswith("login"):
        return CvatUnauthorized("the server asks to log in", request=request, status=response.status)
    return CvatDisagrees(f"redirects to {target}; use that address as the URL", request=request, status=response.status)


def retry_after(response: Response) -> float:
    """Seconds of the Retry-After header; 0 if there is none, or a date."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def message_of(response: Response) -> str:
    """The server's message in `response`, in one line."""
    text = response.content.decode("utf-8", "replace")
    kind = response.headers.get("content-type", "")
    if "json" in kind:
        try:
            return one_line("; ".join(_messages(json.loads(text)))) or f"{response.status} without a message"
        except ValueError:
            pass
    if "html" in kind or text.lstrip()[:1] == "<":
        text = _HtmlText.of(text)
    return one_line(text) or f"{response.status} without a message"


def one_line(text: str) -> str:
    """`text` in one printable line without secrets, cut at MAX_MESSAGE_LENGTH; of a traceback the last line."""
    if "Traceback (most recent call last)" in text:
        text = next((line for line in reversed(text.splitlines()) if line.strip()), text)
    printable = "".join(" " if unicodedata.category(c)[0] == "C" or c.isspace() else c for c in text)
    line = redact(re.sub(" +", " ", printable).strip())
    return line if len(line) <= MAX_MESSAGE_LENGTH else line[: MAX_MESSAGE_LENGTH - 1] + "…"


def _messages(data: Any, field: str = "") -> Iterator[str]:
    """Every message in a JSON body, prefixed with its field."""
    if isinstance(data, dict):
        for key, value in data.items():
            inner = field if key in _UNNAMED else f"{field}.{key}" if field else str(key)
            yield from _messages(value, inner)
    elif isinstance(data, list):
        for number, item in enumerate(data):
            yield from _messages(item, f"{field}[{number}]" if isinstance(item, dict | list) and field else field)
    elif data not in (None, ""):
        yield f"{field}: {data}" if field else str(data)


class _HtmlText(HTMLParser):
    """Collects the visible text of an HTML page."""

    _INVISIBLE = frozenset({"style", "script"})

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._invisible = 0

    @classmethod
    def of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        return ". ".join(text.rstrip(".") for text in parser.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._invisible += tag in self._INVISIBLE

    def handle_endtag(self, tag: str) -> None:
        self._invisible -= tag in self._INVISIBLE

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._invisible and data.strip() not in self.texts:
            self.texts.append(data.strip())
