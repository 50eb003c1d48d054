"""A proxy in front of a real HTTP server that answers itself where a test wants. It forwards no websockets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.support.http_server import running

_OF_CONNECTION = {"connection", "content-length", "content-encoding", "transfer-encoding", "host"}


@dataclass
class Rule:
    """What happens to requests whose "METHOD path" matches: `status` is answered, `times` times, or for ever."""

    wanted: str
    status: int
    times: int | None = None


@dataclass
class FailingProxy:
    """The rules of the proxy; without one that matches, a request is forwarded."""

    url: str
    rules: list[Rule] = field(default_factory=list)
    before: Callable[[str], object] = lambda _request: None
    """Called with "METHOD path" before a request is forwarded."""
    seen: list[str] = field(default_factory=list)

    def fail(self, wanted: str, status: int = 500, times: int | None = None) -> None:
        """Answer requests that match with `status`."""
        self.rules.append(Rule(wanted, status, times))

    def recover(self) -> None:
        """Forward everything again."""
        self.rules.clear()

    def status_of(self, request: str) -> int | None:
        """Return the status to answer a request with, None if it is to be forwarded."""
        for rule in self.rules:
            if rule.times != 0 and re.search(rule.wanted, request):
                if rule.times is not None:
                    rule.times -= 1
                return rule.status
        return None


@contextmanager
def failing_proxy(server: str, port: int = 0) -> Iterator[FailingProxy]:
    """Run a proxy in front of `server`, by default on a free port."""
    with httpx.Client(base_url=server, timeout=60) as upstream:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                request = f"{self.command} {self.path}"
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.seen.append(request)
                if (status := proxy.status_of(request)) is not None:
                    self._respond(status, b'{"detail": "the proxy fails"}', {"Content-Type": "application/json"})
                    return
                proxy.before(request)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_CONNECTION}
                try:
                    answer = upstream.request(self.command, self.path, content=body, headers=headers)
                except (RuntimeError, httpx.TransportError):
                    if not upstream.is_closed:
                        raise
                    self.close_connection = True  # the proxy has ended, but a worker has kept its connection
                    return
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in _OF_CONNECTION}
                self._respond(answer.status_code, answer.content, kept)

            def _respond(self, status: int, content: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        with running(ThreadingHTTPServer(("127.0.0.1", port), Handler)) as serving:
            proxy = FailingProxy(f"http://127.0.0.1:{serving.server_port}")
            yield proxy
