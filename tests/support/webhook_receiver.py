"""A receiver of webhooks: a real HTTP server that keeps what it gets and responds as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.http_server import serve_handler
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Received:
    """A delivery."""

    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def event(self) -> str:
        return str(self.body["event"])


@dataclass
class Receiver:
    """What was received, and how to respond."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """The statuses of the next responses; 200 afterwards."""
    released: threading.Event = field(default_factory=threading.Event)
    """While it is not set, there are no responses."""
    received: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the responses."""

    def events(self) -> list[str]:
        return [delivery.event for delivery in self.received]

    def wait(self, count: int) -> list[Received]:
        """Return all deliveries once there are so many."""
        eventually(lambda: len(self.received) >= count, f"{count} deliveries, got {self.events()}", 5)
        return self.received


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    kept = Receiver()
    kept.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            kept.received.append(Received({name.lower(): value for name, value in self.headers.items()}, raw))
            kept.released.wait(10)
            self.send_response(kept.statuses.pop(0) if kept.statuses else 200)
            for name, value in {"Content-Length": "6", **kept.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"thanks")

        def log_message(self, *_args: object) -> None:
            pass

    with serve_handler(Handler) as url:
        kept.url = url
        try:
            yield kept
        finally:
            kept.released.set()
