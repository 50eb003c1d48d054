"""Two small servers in threads: the store with its faults, and what stands for Prefect's events API."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

from cheroot import wsgi

from cvat_sandbox.faults import Faults
from cvat_sandbox.web.fault_middleware import SOCKET, Cut, wrap

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "date", "server"})


class _Gateway(wsgi.Gateway_10):
    """Lets faults reach the socket, as the sandbox's own does."""

    def get_environ(self) -> Any:
        return {**super().get_environ(), SOCKET: self.req.conn.socket}  # type: ignore[no-untyped-call]

    def respond(self) -> None:
        with suppress(Cut):
            super().respond()


@contextmanager
def serving(app: Wsgi) -> Iterator[str]:
    """Serve an application on a free port; its address."""
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=16, request_queue_size=64, shutdown_timeout=1)
    server.gateway, server.nodelay, server.expiration_interval = _Gateway, True, 0.1
    server.error_log = lambda *_args, **_kwargs: None  # type: ignore[method-assign] # clients that die are the point
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.bind_addr[1]}"
    finally:
        server.stop()
        thread.join(5)


def faulty_store(target: str, faults: Faults) -> Wsgi:
    """A proxy before an S3 and SQS emulator, over HTTP on both sides, that misbehaves as its rules say.

    So clients meet what they would meet: a real 503, a connection that ends in the middle, an effect without an answer.
    """
    host, local = urlsplit(target).netloc, threading.local()

    def forward(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/~")
        query = environ.get("QUERY_STRING")
        headers = {
            name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers.pop("Expect", None)
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        for fresh in (False, True):
            if fresh or not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection(host, timeout=30)
            try:
                local.connection.request(
                    environ["REQUEST_METHOD"], path + (f"?{query}" if query else ""), body, headers
                )
                answer = local.connection.getresponse()
                break
            except (http.client.HTTPException, OSError):
                if fresh:
                    raise
        content = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        start_response(f"{answer.status} {answer.reason}", kept)
        return [content]

    app: Wsgi = wrap(forward, faults)
    return app


class PrefectStandIn:
    """Takes events as Prefect's API does, and has no run that waits.

    `hear` is told each event, and says whether the request is refused, and when.
    """

    def __init__(self) -> None:
        self.hear: Callable[[Sequence[dict[str, Any]]], str] = lambda _events: "taken"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application."""
        if environ["PATH_INFO"].endswith("/flow_runs/filter"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b"[]"]  # a run begins when its event comes, or never
        events = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        refused = self.hear(events).startswith("refused")
        start_response("503 Service Unavailable" if refused else "204 No Content", [("Content-Length", "0")])
        return []
