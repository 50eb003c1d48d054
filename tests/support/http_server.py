"""Runs an HTTP server in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

S = TypeVar("S", bound=ThreadingHTTPServer)
LOOPBACK = ("127.0.0.1", 0)
"""A free port of this machine."""


@contextmanager
def serve_handler(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve `handler` on a free port of this machine, and yield the address."""
    with running(ThreadingHTTPServer(LOOPBACK, handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def running(server: S) -> Iterator[S]:
    """Run a server until the `with` block ends."""
    server.daemon_threads = True
    options: dict[str, Any] = {"poll_interval": 0.01}
    thread = threading.Thread(target=server.serve_forever, kwargs=options, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
