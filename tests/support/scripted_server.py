"""A real HTTP server that responds as a test's script says: wrongly, late, partly, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from labelyard.cvat import Cvat, connect
from tests.support.http_server import serve_handler

LOGIN = ("POST", "/api/v1/auth/login")
TWO_TOKENS = [(200, {"key": "old"}), (200, {"key": "new"})]
"""The responses to two logins."""

CUT = "cut"
"""Read the request, then close the connection without a response."""
HALF = "half"
"""Promise a hundred bytes, send ten, close the connection."""
UNREAD = "unread"
"""Close the connection before the body is read."""


@dataclass
class ReceivedRequest:
    """A request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    """The responses by (method, path without query): each is sent once, the last one repeatedly."""

    script: dict[tuple[str, str], list[Any]]
    received: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""

    def requests(self, method: str, path: str) -> list[ReceivedRequest]:
        return [one for one in self.received if (one.method, one.path.partition("?")[0]) == (method, path)]

    def next_response(self, method: str, path: str) -> Any:
        responses = self.script.get((method, path), [(404, {"detail": "Not found."})])
        return responses.pop(0) if len(responses) > 1 else responses[0]


def defaults() -> dict[tuple[str, str], list[Any]]:
    """Return the responses of a CVAT 1.0.0 to the requests before the first verb."""
    return {
        ("GET", "/api/v1/server/about"): [(200, {"name": "CVAT", "version": "1.0"})],
        ("POST", "/api/v1/auth/login"): [(200, {"key": "t0ken"}, {"Set-Cookie": "sessionid=abc; Path=/"})],
        ("GET", "/api/v1/users/self"): [(200, {"id": 1, "username": "root"}, {"Set-Cookie": "csrftoken=abc; Path=/"})],
    }


@contextmanager
def serve_script(script: Mapping[tuple[str, str], list[Any]]) -> Iterator[ScriptedServer]:
    """Serve `script`, over the defaults, on a free port of this machine."""
    scripted = ScriptedServer(defaults() | dict(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            method, path = self.command, self.path.partition("?")[0]
            response = scripted.next_response(method, path)
            if response == UNREAD:
                scripted.received.append(ReceivedRequest(method, self.path, dict(self.headers.items()), b""))
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted.received.append(ReceivedRequest(method, self.path, headers, body))
            if response == CUT:
                self.close_connection = True
            elif response == HALF:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
                self.close_connection = True
            else:
                self._respond(*response)

        def _respond(self, status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | dict(headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with serve_handler(Handler) as scripted.url:
        yield scripted


class ManualClock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


def connect_to(server: ScriptedServer, **options: Any) -> Cvat:
    """Return a client of the scripted server, in the v1 dialect, that never waits."""
    defaults = {"dialect": "v1", "clock": ManualClock()}
    return connect(server.url, username="root", password="rootpass", **(defaults | options))
