"""Responses: JSON as the REST framework renders it, and files."""

from __future__ import annotations

import contextlib
import html
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response
from werkzeug.wsgi import wrap_file

BLOCK_BYTES = 2**18


@dataclass(frozen=True)
class ApiResponse:
    """JSON with a status; `data` None means an empty body."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def to_json(data: Any) -> str:
    """Return JSON as the REST framework writes it; raises ValueError for NaN and infinity."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def render(answer: ApiResponse, renderer: str, title: str, *, media_type: str = "application/json") -> Response:
    """Return the response of the renderer `json`, or of `api`, which shows the JSON in an HTML page.

    media_type: that of the JSON.
    """
    headers = dict(answer.headers)
    if answer.data is None:
        response = Response(b"", answer.status, headers=headers, content_type=media_type)
        if answer.status == HTTPStatus.NO_CONTENT:
            del response.headers["Content-Type"]
        return response
    if not _is_finite(answer.data):
        raise ValueError("Out of range float values are not JSON compliant")
    text = to_json(answer.data)
    if renderer == "json":
        return Response(text, answer.status, headers=headers, content_type=media_type)
    page = (
        f"<!DOCTYPE html><html><head><title>{html.escape(title)} - Django REST framework</title></head>"
        f"<body><h1>{html.escape(title)}</h1><pre>{html.escape(text)}</pre></body></html>"
    )
    return Response(page, answer.status, headers=headers, content_type="text/html; charset=utf-8")


def _is_finite(value: Any) -> bool:
    """Return whether a JSON value contains neither NaN nor infinity."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_finite(item) for item in value.values())
    return all(_is_finite(item) for item in value) if isinstance(value, list) else True


def plain(text: str, status: int) -> Response:
    """Return a response with a text that the client sees as HTML, as Django sends one without a renderer."""
    return Response(text, status, content_type="text/html; charset=utf-8")


def send_file(file: Path, content_type: str, disposition: str = "") -> Response:
    """Return a file as a response that streams it."""
    handle = file.open("rb")
    response = Response(wrap_file({}, handle, BLOCK_BYTES), content_type=content_type, direct_passthrough=True)
    response.call_on_close(handle.close)
    with contextlib.suppress(OSError):
        response.headers["Last-Modified"] = formatdate(file.stat().st_mtime, usegmt=True)
    response.content_length = file.stat().st_size
    if disposition:
        response.headers["Content-Disposition"] = disposition
    return response
