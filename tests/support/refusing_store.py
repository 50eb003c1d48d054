"""A proxy in front of the S3 emulator that refuses single objects, or everything, as AWS does."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.support.http_server import serve_handler

DENIED = (403, "AccessDenied", "Access Denied")
KMS_DENIED = (403, "AccessDenied", "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt")
SSE_C = (400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")
KMS_DISABLED = (400, "KMS.DisabledException", "arn:aws:kms:us-east-1:1:key/k is disabled.")
WRONG_KEY = (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")

Refusal = tuple[int, str, str]
"""Status, code and message."""


@dataclass
class RefusingStore:
    """The refusals by key: of GET and HEAD of the object; `everything` also of listings."""

    url: str = ""
    keys: dict[str, Refusal] = field(default_factory=dict)
    everything: Refusal | None = None
    all_objects: Refusal | None = None
    reads: list[tuple[str, str]] = field(default_factory=list)
    """Method and key of each request for an object."""

    def refusal(self, method: str, key: str) -> Refusal | None:
        if not key:
            return self.everything
        self.reads.append((method, key))
        return self.everything or self.all_objects or self.keys.get(key)


@contextmanager
def refusing(upstream: str) -> Iterator[RefusingStore]:
    """Run such a proxy on a free port of this machine."""
    store, address = RefusingStore(), urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            _, _, key = unquote(urlsplit(self.path).path)[1:].partition("/")
            refusal = store.refusal(self.command, key) if self.command in ("GET", "HEAD") else None
            if refusal is None:
                self._pass_on(body)
            else:
                self._refuse(*refusal)

        def _refuse(self, status: int, code: str, message: str) -> None:
            content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
            self._answer(status, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else content)

        def _pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            content = response.read()
            passed = {n: v for n, v in response.getheaders() if n.lower() not in ("transfer-encoding", "connection")}
            self._answer(response.status, passed, content)
            connection.close()

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            length = {name.lower(): value for name, value in headers.items()}.get("content-length", str(len(content)))
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with serve_handler(Handler) as store.url:
        yield store
