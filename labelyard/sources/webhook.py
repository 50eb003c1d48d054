"""Notifications by HTTP, for stores without a queue (MinIO, Ceph), deliveries of CVAT's webhooks, and probes.

A store sends the token as `Authorization: Bearer …` or, because Ceph cannot send headers, as the last part of
the path. 200 means that the notification is committed, 503 that it must be sent again later. CVAT signs the body; 204
means that labelyard will look at the task, or that the content does not concern it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from labelyard.errors import LabelyardError, SettingsError
from labelyard.settings import is_loopback
from labelyard.sources.backoff import Backoff
from labelyard.sources.cvat_deliveries import SIGNATURE, CvatDeliveries
from labelyard.sources.health import health_routes
from labelyard.sources.http_server import serve_application
from labelyard.sources.parsers import MAX_BODY_BYTES

_log = logging.getLogger("labelyard.sources")
_THREADS = 8

Handle = Callable[[Sequence[bytes], str], None]


class Webhook:
    """The endpoints: /notify with `handle`, /cvat/NAME with `deliveries`, and /healthz and /readyz with `health`."""

    def __init__(
        self,
        handle: Handle | None,
        health: Callable[[], dict[str, Any]],
        token: SecretStr | None,
        deliveries: CvatDeliveries | None = None,
    ) -> None:
        self._handle, self._health, self._deliveries = handle, health, deliveries
        self._token = token.get_secret_value().encode() if token else b""
        self._backoff = Backoff("receiving notifications by HTTP")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhook")

    @property
    def has_token(self) -> bool:
        """Whether stores must send a token."""
        return bool(self._token)

    @property
    def may_be_public(self) -> bool:
        """Whether nothing is accepted from everybody who can reach it."""
        return self.has_token or (self._handle is None and self._deliveries is not None)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        app = Starlette(
            routes=[
                *health_routes(self._health),
                Route("/notify", self._notify, methods=["POST"]),
                Route("/notify/{token}", self._notify, methods=["POST"]),
                Route("/cvat/{name}", self._cvat, methods=["POST"]),
            ]
        )
        app.router.redirect_slashes = False
        return app

    async def _notify(self, request: Request) -> Response:
        if self._handle is None:
            return PlainTextResponse("the webhook is off: set LABELYARD_WATCH__WEBHOOK\n", 404)
        if not self._is_authorized(request):
            return PlainTextResponse("send the token: Authorization: Bearer …, or /notify/…\n", 401)
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return PlainTextResponse(f"more than {MAX_BODY_BYTES} bytes\n", 413)
        return await self._commit(self._handle, body)

    async def _cvat(self, request: Request) -> Response:
        if self._deliveries is None:
            return PlainTextResponse("no CVAT has a webhook: set LABELYARD_CVAT__<NAME>__WEBHOOK__SECRET\n", 404)
        name, signature = request.path_params["name"], _header(request, SIGNATURE)
        try:
            body = await _read_body(request) if signature else b""
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return PlainTextResponse(f"more than {MAX_BODY_BYTES} bytes\n", 413)
        if not self._deliveries.is_signed(name, body, signature):
            return PlainTextResponse("sign the body with the secret of this CVAT's webhook\n", 401)
        self._deliveries.accept(name, body)
        return Response(status_code=204)

    async def _commit(self, handle: Handle, body: bytes) -> Response:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, handle, [body], "webhook")
        # Starlette's own handling would log a traceback for each request of a store that is retrying.
        except Exception as error:  # noqa: BLE001
            self._backoff.failed(error)
            is_temporary = isinstance(error, LabelyardError) and error.retry
            return PlainTextResponse("not now: send it again later\n", 503 if is_temporary else 500)
        self._backoff.succeeded()
        return PlainTextResponse("committed\n")

    def _is_authorized(self, request: Request) -> bool:
        in_path = request.path_params.get("token", "").encode("utf-8", "replace")
        scheme, _, in_header = _header(request, b"authorization").partition(b" ")
        # Both are always compared, so that the time taken reveals nothing.
        path_matches = hmac.compare_digest(self._token, in_path)
        header_matches = hmac.compare_digest(self._token, in_header.strip()) and scheme.lower() == b"bearer"
        return not self.has_token or path_matches or header_matches


def _header(request: Request, wanted: bytes) -> bytes:
    """Return the value of a header, given in lower case; empty if it is missing."""
    return next((value for name, value in request.headers.raw if name.lower() == wanted), b"")


async def _read_body(request: Request) -> bytes | None:
    """Return the body; None if it is too large."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


@contextmanager
def serve(webhook: Webhook, host: str, port: int) -> Iterator[str]:
    """Serve the endpoints from a thread; yield their address, port 0 replaced by the real one.

    Raises SettingsError for an address in use, or for a host that other machines can reach while no token is set.
    """
    if not is_loopback(host) and not webhook.may_be_public:
        next_step = "set LABELYARD_WATCH__WEBHOOK_TOKEN, or listen on 127.0.0.1"
        raise SettingsError(f"{host} can be reached from other machines and no token is set", next_step=next_step)
    variables = "LABELYARD_WATCH__HOST and LABELYARD_WATCH__PORT"
    with serve_application(webhook.application(), host, port, variables) as address:
        yield address
