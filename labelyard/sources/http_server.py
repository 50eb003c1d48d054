"""Serves an ASGI application from a thread, with limits on what one client can occupy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from uvicorn import Config, Server

from labelyard.errors import SettingsError
from labelyard.sources.http_deadline import DeadlineProtocol

_CONNECTIONS = 256
_BACKLOG = 64
_IDLE_SECONDS = 10
_STOP_SECONDS = 10
_HEADER_BYTES = 64 * 1024


@contextmanager
def serve_application(app: Starlette, host: str, port: int, variables: str) -> Iterator[str]:
    """Serve `app` from a thread; yield its address, port 0 replaced by the real one.

    Raises SettingsError for an address in use, with the names of the `variables` that set it.
    """
    listener = _listen(host, port, variables)
    server = Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    address = _address(*listener.getsockname()[:2])
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=2 * _STOP_SECONDS)
        listener.close()


def _listen(host: str, port: int, variables: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        problem = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise SettingsError(problem, next_step=f"free it, or set {variables}") from error


def _config(app: Starlette) -> Config:
    return Config(
        app,
        http=DeadlineProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,  # a path may contain the token
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
