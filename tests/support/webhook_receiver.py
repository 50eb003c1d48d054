"""Webhooks of the sandbox, and a receiver: a real HTTP server that keeps what it gets."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.support.http_server import LOOPBACK, running
from tests.support.waiting import eventually

RETRIES = (0.05, 0.1)
"""The pauses after failed deliveries in tests."""
ALL = [
    "create:task", "update:task", "delete:task", "create:job", "update:job", "delete:job", "create:issue",
    "update:issue", "create:comment", "update:project", "delete:project",
]  # fmt: skip
"""Events that the webhook of a project may ask for."""


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
        eventually(lambda: len(self.received) >= count, f"{count} deliveries, got {self.events()}")
        return self.received


@contextmanager
def receiver(certificate: Path | None = None) -> Iterator[Receiver]:
    """Run a receiver on a free port; with a certificate it is `https://localhost`."""
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

    with running(ThreadingHTTPServer(LOOPBACK, Handler)) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            kept.url = f"https://localhost:{server.server_port}"
        try:
            yield kept
        finally:
            kept.released.set()


# -- webhooks


def hook(http: httpx.Client, target: Receiver, project_id: int | None = None, **more: Any) -> dict[str, Any]:
    """Create a webhook of a project, or without one of the organization that `http` names."""
    of_project = {"type": "project", "project_id": project_id, "events": ALL}
    body = {"target_url": target.url, **(of_project if project_id else {"type": "organization", "events": ALL}), **more}
    answer = http.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def organization(http: httpx.Client, slug: str) -> dict[str, str]:
    """Create an organization and return the header that names it."""
    assert http.post("/organizations", json={"slug": slug}).status_code == 201
    return {"X-Organization": slug}


def deliveries(http: httpx.Client, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/webhooks/{webhook['id']}/deliveries").json()["results"]
    return found
