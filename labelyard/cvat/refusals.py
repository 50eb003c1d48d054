"""An answer that is no success, as the error that it means, in the server's own words.

CVAT answers in bare JSON strings, lists, maps of fields at any depth, HTML pages and Python tracebacks; and it repeats
what it was sent, presigned URLs included. Here all of them become one line that is safe to show.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any, Protocol

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

LONGEST = 300
"""Characters of a server's words that are kept."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses that say: later."""

_KINDS = (
    (CvatUnauthorized, frozenset({401, 403})),
    (CvatNotFound, frozenset({404})),
    (CvatRefused, range(400, 500)),
    (CvatCrashed, range(500, 600)),
)
"""Which error a status is, the first that fits."""

_SPEECHLESS = frozenset({"detail", "non_field_errors", "message"})
"""Keys that name no field: only their values say something."""


class Answered(Protocol):
    """The parts of an answer that tell what went wrong."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name."""

    @property
    def content(self) -> bytes:
        """The body."""


def refusal(request: str, answer: Answered) -> CvatError:
    """The error that `answer` means; its text is the server's, its `request` the method and path asked."""
    said, status = words(answer), answer.status
    if status in BUSY:
        return CvatBusy(said, after=retry_after(answer), request=request, status=status)
    if 300 <= status < 400:
        return _redirected(request, answer)
    for kind, known in _KINDS:
        if status in known:
            return kind(said, request=request, status=status)
    return CvatDisagrees(f"answered {status}: {said}", request=request, status=status)


def _redirected(request: str, answer: Answered) -> CvatError:
    """Where a server sends people to log in, and where the address should have been another."""
    target = answer.headers.get("location", "")
    if target.rstrip("/").endswith("login"):
        return CvatUnauthorized("the server asks to log in", request=request, status=answer.status)
    return CvatDisagrees(f"redirects to {target}; give that address as the URL", request=request, status=answer.status)


def retry_after(answer: Answered) -> float:
    """Seconds that the server asks to wait; 0 where it names none, or a date."""
    try:
        return max(0.0, float(answer.headers.get("retry-after", "0")))
    except ValueError:
        return 0.0


def words(answer: Answered) -> str:
    """What the server says in `answer`, as one line."""
    text = answer.content.decode("utf-8", "replace")
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        try:
            return one_line("; ".join(_flat(json.loads(text)))) or f"{answer.status} without a word"
        except ValueError:
            pass
    if "html" in kind or text.lstrip()[:1] == "<":
        text = _Page.text_of(text)
    return one_line(text) or f"{answer.status} without a word"


def one_line(text: str) -> str:
    """`text` in one printable line without secrets, no longer than LONGEST; of a traceback its last line."""
    if "Traceback (most recent call last)" in text:
        text = next((line for line in reversed(text.splitlines()) if line.strip()), text)
    printable = "".join(" " if unicodedata.category(c)[0] == "C" or c.isspace() else c for c in text)
    line = redact(re.sub(" +", " ", printable).strip())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _flat(said: Any, place: str = "") -> Iterator[str]:
    """Every message in a JSON body, each with the field it is about."""
    if isinstance(said, dict):
        for key, value in said.items():
            inner = place if key in _SPEECHLESS else f"{place}.{key}" if place else str(key)
            yield from _flat(value, inner)
    elif isinstance(said, list):
        for number, item in enumerate(said):
            yield from _flat(item, f"{place}[{number}]" if isinstance(item, dict | list) and place else place)
    elif said not in (None, ""):
        yield f"{place}: {said}" if place else str(said)


class _Page(HTMLParser):
    """The text of an HTML page that a person would see."""

    _UNSEEN = frozenset({"style", "script"})

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unseen = 0

    @classmethod
    def text_of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        return ". ".join(text.rstrip(".") for text in parser.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._unseen += tag in self._UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in self._UNSEEN

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._unseen and data.strip() not in self.texts:
            self.texts.append(data.strip())
