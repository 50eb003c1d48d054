"""Content negotiation: which renderer the Accept header asks for."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Request

from cvat_sandbox.errors import NotFound
from cvat_sandbox.rest.exceptions import ApiException


def choose_renderer(http: Request, renderers: Mapping[str, str], wanted: str = "") -> str:
    """Return the renderer that the Accept header prefers, among those named `wanted`; exact media ranges win.

    renderers: the media type of each. Raises ApiException (406).
    """
    renderers = {name: media for name, media in renderers.items() if wanted in {"", name}}
    if not renderers:
        raise NotFound
    ranges = [part.split(";")[0].strip().lower() for part in (http.headers.get("Accept") or "*/*").split(",")]
    for exactness in (2, 1, 0):
        for name, media in renderers.items():
            if any(_exactness(accepted) == exactness and _covers(accepted, media) for accepted in ranges):
                return name
    raise ApiException(406, {"detail": "Could not satisfy the request Accept header."})


def _exactness(media_range: str) -> int:
    return 2 - media_range.split("/").count("*")


def _covers(media_range: str, media: str) -> bool:
    return all(a in {"*", b} for a, b in zip(media_range.split("/"), media.split("/"), strict=False))
