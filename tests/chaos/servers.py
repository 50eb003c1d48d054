"""Small servers in threads: a store with faults, a relay of CVAT's deliveries, and a stub of Prefect's API."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from cheroot import wsgi

from cvat_sandbox.faults import Faults
from cvat_sandbox.web.fault_middleware import SOCKET, Cut, wrap

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "date", "server"})


class _Gateway(wsgi.Gateway_10):
    """Lets fault rules close the socket, as the sandbox's own gateway does."""

    def get_environ(self) -> Any:
        return {**super().get_environ(), SOCKET: self.req.conn.socket}  # type: ignore[no-untyped-call]

    def respond(self) -> None:
        with suppress(Cut):
            super().respond()


@contextmanager
def serving(app: Wsgi) -> Iterator[str]:
    """Serve an application on a free port; yield its URL."""
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=16, request_queue_size=64, shutdown_timeout=1)
    server.gateway, server.nodelay, server.expiration_interval = _Gateway, True, 0.1
    server.error_log = lambda *_args, **_kwargs: None  # type: ignore[method-assign] # clients die on purpose
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.bind_addr[1]}"
    finally:
        server.stop()
        thread.join(5)


def faulty_store(target: str, rules: Faults) -> Wsgi:
    """Return a proxy in front of an S3 and SQS emulator that injects faults.

    Clients get real ones over HTTP: a 503, a connection closed in the middle, an effect without a response.
    """
    host, local = urlsplit(target).netloc, threading.local()

    def forward(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = environ["REQUEST_METHOD"], _target(environ), body, _headers(environ)
        for fresh in (False, True):  # a kept connection may have been closed by the emulator
            if fresh or not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection(host, timeout=30)
            try:
                local.connection.request(*request)
                response = local.connection.getresponse()
                break
            except (http.client.HTTPException, OSError):
                if fresh:
                    raise
        content = response.read()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        start_response(f"{response.status} {response.reason}", headers)
        return [content]

    app: Wsgi = wrap(forward, rules)
    return app


def _target(environ: dict[str, Any]) -> str:
    path, query = quote(environ["PATH_INFO"].encode("latin-1"), safe="/~"), environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers.pop("Expect", None)
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    return headers


class DeliveryRelay:
    """Takes what CVAT's webhook posts. `on_delivery` gets the body and its signature, and returns the status."""

    def __init__(self) -> None:
        self.ignore()

    def ignore(self) -> None:
        """Accept deliveries and do nothing."""
        self.on_delivery: Callable[[bytes, str], int] = lambda _body, _signature: HTTPStatus.NO_CONTENT

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request, as a WSGI application."""
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        status = HTTPStatus(self.on_delivery(body, environ.get("HTTP_X_SIGNATURE_256", "")))
        start_response(f"{status.value} {status.phrase}", [("Content-Length", "0")])
        return []


class PrefectStub:
    """Accepts events as Prefect's API does, and reports no flow run.

    `on_events` is called with the events of each request, and returns how Prefect takes it, as in a plan's
    `event_faults`.
    """

    def __init__(self) -> None:
        self.on_events: Callable[[Sequence[dict[str, Any]]], str] = lambda _events: "accepted"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request, as a WSGI application."""
        if environ["PATH_INFO"].endswith("/flow_runs/filter"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b"[]"]  # a run starts when its event arrives, or never
        events = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        rejected = self.on_events(events).startswith("rejected")
        start_response("503 Service Unavailable" if rejected else "204 No Content", [("Content-Length", "0")])
        return []
