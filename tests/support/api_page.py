"""The v1 API page, parsed: every call with its request body and its response, in the page's order."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "recordings" / "cvat-v1-api.zh.md"


@dataclass(frozen=True)
class Call:
    """A documented call; `request` and `response` are JSON, None if the page has none."""

    method: str
    path: str
    request: Any
    response: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def calls() -> list[Call]:
    """All calls of the page, in its order."""
    return [_call(part) for part in PAGE.read_text().split("**Request URL**")[1:]]


def _call(part: str) -> Call:
    url = re.search(r"http://cvat\.example:8080(\S+)", part)
    method = re.search(r"\*\*Request Method\*\*: (\w+)", part)
    assert url
    assert method
    request, _, response = part.partition("**Response**")
    _, _, request = request.partition("**Request Data**")
    if not response and '"results"' in request:  # the page calls the response of its last listing "Request Data"
        request, response = "", request
    return Call(method[1], url[1], _json(request), _json(response))


def _json(text: str) -> Any:
    start = text.find("{")
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except ValueError:
        return None
