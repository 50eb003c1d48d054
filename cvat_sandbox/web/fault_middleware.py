"""WSGI middleware that applies fault rules to requests."""

from __future__ import annotations

import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication

    from cvat_sandbox.faults import Faults, Rule

SOCKET = "sandbox.socket"
"""The key of the client's socket in a WSGI environment; the server sets it."""
SHORT = "sandbox.short"
"""The key of the part of the body that an upload uses, from 0 to 1."""


class Cut(Exception):
    """A rule has closed the connection; the server must not write a response."""


def wrap(app: WSGIApplication, faults: Faults) -> WSGIApplication:
    """Return a WSGI application that is `app` with the faults of `faults`."""

    def with_faults(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        rules = faults.for_request(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        before = [rule for rule in rules if rule.when == "before"]
        for rule in before:
            faults.wait(rule.delay)
            if rule.short is not None:
                environ[SHORT] = rule.short
        error = _apply(before, environ, start_response)
        if error is not None:
            return error
        after = [rule for rule in rules if rule.when == "after"]
        return _respond_late(app, after, faults, environ, start_response) if after else app(environ, start_response)

    return with_faults


def _respond_late(
    app: WSGIApplication, rules: list[Rule], faults: Faults, environ: dict[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    """Let the request take effect, then delay, replace or drop its response."""
    started: list[Any] = []
    body = b"".join(app(environ, lambda *args: started.append(args)))  # type: ignore[arg-type] # no app calls write()
    for rule in rules:
        faults.wait(rule.delay)
    error = _apply(rules, environ, start_response)
    if error is not None:
        return error
    start_response(*started[0])
    return [body]


def _apply(rules: list[Rule], environ: dict[str, Any], start_response: StartResponse) -> list[bytes] | None:
    """Return the error response of the first rule that has one, or None; raises Cut after closing the connection."""
    for rule in rules:
        if rule.cut:
            reset(environ)
            raise Cut
        if rule.status:
            headers = [("Content-Type", "text/html")]
            if rule.retry_after is not None:
                headers.append(("Retry-After", str(rule.retry_after)))
            phrase = HTTPStatus(rule.status).phrase if rule.status in HTTPStatus._value2member_map_ else "Fault"
            body = f"<h1>{phrase} ({rule.status})</h1>".encode()
            start_response(f"{rule.status} {phrase}", [*headers, ("Content-Length", str(len(body)))])
            return [body]
    return None


def reset(environ: dict[str, Any]) -> None:
    """Reset the client's connection without a response."""
    connection: socket.socket | None = environ.get(SOCKET)
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
