"""The API page, read: every call with its request body and its answer, from top to bottom."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "recordings" / "cvat-v1-api.zh.md"


@dataclass(frozen=True)
class Call:
    """A call as the page writes it; `request` and `response` are JSON, None where the page has none."""

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
    asked, _, answered = part.partition("**Response**")
    _, _, asked = asked.partition("**Request Data**")
    if not answered and '"results"' in asked:  # the page calls the answer of its last listing "Request Data"
        asked, answered = "", asked
    return Call(method[1], url[1], _json(asked), _json(answered))


def _json(text: str) -> Any:
    start = text.find("{")
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except ValueError:
        return None
