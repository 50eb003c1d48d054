"""A real HTTP server that answers as a test tells it: also wrongly, late, in halves, or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = "cut"
"""Read the request, then close the connection without a word."""
HALF = "half"
"""Promise a hundred bytes, send ten, close."""
DEAF = "deaf"
"""Close the connection before the body is read."""


@dataclass
class Seen:
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scripted:
    """What is answered to (method, path without query): each answer once, the last one for ever."""

    script: dict[tuple[str, str], list[Any]]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def asked(self, method: str, path: str) -> list[Seen]:
        return [one for one in self.seen if (one.method, one.path.partition("?")[0]) == (method, path)]

    def next_answer(self, method: str, path: str) -> Any:
        answers = self.script.get((method, path), [(404, {"detail": "Not found."})])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def usual() -> dict[tuple[str, str], list[Any]]:
    """What every CVAT 1.0.0 answers on the way to the first verb."""
    return {
        ("GET", "/api/v1/server/about"): [(200, {"name": "CVAT", "version": "1.0"})],
        ("POST", "/api/v1/auth/login"): [(200, {"key": "t0ken"}, {"Set-Cookie": "sessionid=abc; Path=/"})],
        ("GET", "/api/v1/users/self"): [(200, {"id": 1, "username": "root"}, {"Set-Cookie": "csrftoken=abc; Path=/"})],
    }


@contextmanager
def serving(script: Mapping[tuple[str, str], list[Any]]) -> Iterator[Scripted]:
    """A server on a free port of this machine that follows `script`, over what is usual."""
    told = Scripted(usual() | dict(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            method, path = self.command, self.path.partition("?")[0]
            answer = told.next_answer(method, path)
            if answer == DEAF:
                told.seen.append(Seen(method, self.path, dict(self.headers.items()), b""))
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.seen.append(Seen(method, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if answer == CUT:
                self.close_connection = True
            elif answer == HALF:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
                self.close_connection = True
            else:
                self._say(*answer)

        def _say(self, status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | dict(headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
