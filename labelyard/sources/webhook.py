"""Notifications by HTTP, for stores that have no queue (MinIO, Ceph), and /healthz.

A caller shows the token as `Authorization: Bearer …` or, because Ceph can send no header, as the last part of the path.
An answer of 200 means: committed. 503 means: send it again later.
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cheroot.server import HTTPConnection
from cheroot.wsgi import Server
from flask import Flask, Response, jsonify, request
from pydantic import SecretStr
from werkzeug.exceptions import HTTPException

from labelyard.errors import LabelyardError, SettingsError
from labelyard.settings import is_loopback
from labelyard.sources.parsers import MAX_BODY_BYTES
from labelyard.sources.watcher import Trouble

_log = logging.getLogger("labelyard.sources")
_THREADS = 8
_IDLE_SECONDS = 10
_REQUEST_SECONDS = 30.0
"""How long a client may take to send a request; its answer may take longer."""

Take = Callable[[Sequence[bytes], str], None]


def application(take: Take | None, health: Callable[[], dict[str, Any]], token: SecretStr | None) -> Flask:
    """The WSGI application; without `take` it only tells its health."""
    app = Flask("labelyard.sources")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    secret = token.get_secret_value().encode() if token else b""
    trouble = Trouble("taking notifications in by HTTP")

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        seen = health()
        return jsonify(seen), 200 if seen["alive"] else 503

    @app.post("/notify")
    @app.post("/notify/<shown>")
    def notify(shown: str = "") -> tuple[str, int]:
        if take is None:
            return "the webhook is off: set LABELYARD_WATCH__WEBHOOK\n", 404
        if not _knows(secret, shown):
            return "show the token: Authorization: Bearer …, or /notify/…\n", 401
        take([request.get_data()], "webhook")
        trouble.over()
        return "committed\n", 200

    # Flask would log the path of a request that fails, and so the token in it.
    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[str, int]:
        if isinstance(error, HTTPException):
            return f"{error.name}\n", error.code or 500
        trouble.met(error)
        return "not now: send it again later\n", 503 if isinstance(error, LabelyardError) and error.retry else 500

    return app


def _knows(secret: bytes, shown: str) -> bool:
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    # Both are compared, whatever the first says: the time taken tells nothing.
    by_path = hmac.compare_digest(secret, shown.encode("utf-8", "replace"))
    by_header = hmac.compare_digest(secret, bearer.strip().encode("utf-8", "replace")) and kind.lower() == "bearer"
    return not secret or by_path or by_header


@contextmanager
def listening(app: Flask, host: str, port: int, token: SecretStr | None) -> Iterator[str]:
    """Serve `app` from threads of its own; gives its address, port 0 replaced by the real one.

    Raises SettingsError for a host that others can reach while no token is set, or an address that is taken.
    """
    if not is_loopback(host) and not (token and token.get_secret_value()):
        next_step = "set LABELYARD_WATCH__WEBHOOK_TOKEN, or listen on 127.0.0.1"
        raise SettingsError(f"{host} can be reached from other machines and no token is set", next_step=next_step)
    server = _Server((host, port), app, numthreads=_THREADS, request_queue_size=64, timeout=_IDLE_SECONDS)
    try:
        server.prepare()
    except OSError as error:
        next_step = "free it, or set LABELYARD_WATCH__HOST and LABELYARD_WATCH__PORT"
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", next_step=next_step
        ) from error
    thread = threading.Thread(target=server.serve, name="http", daemon=True)
    thread.start()
    try:
        yield _address(*server.bind_addr[:2])
    finally:
        server.stop()
        thread.join(timeout=10)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Connection(HTTPConnection):
    """A connection that stops listening to a client who sends a request drop by drop; an idle one ends by itself."""

    def communicate(self) -> bool:
        """Serve one request."""
        patience = threading.Timer(_REQUEST_SECONDS, self._hang_up)
        patience.daemon = True
        patience.start()
        try:
            more: bool = super().communicate()  # type: ignore[no-untyped-call]
            return more
        finally:
            patience.cancel()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)


class _Server(Server):
    ConnectionClass = _Connection
    max_request_body_size = MAX_BODY_BYTES
    max_request_header_size = 64 * 1024

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: FBT001, FBT002
        """Log what cheroot has to say, which names no path."""
        _log.log(min(level, logging.WARNING), "HTTP: %s", msg, exc_info=traceback)
