"""/healthz, /readyz and /metrics: what probes and Prometheus ask a process for, without a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labelyard.sources.http_server import serve_application

Health = Callable[[], Mapping[str, Any]]
"""Returns `alive` (else the process must be started again) and `ready` (it does its work), and what else to say."""
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(health: Health) -> list[Route]:
    """Return the routes of both probes: 200, or 503 if the process is not alive or not ready."""

    async def healthz(_request: Request) -> Response:
        found = health()
        return JSONResponse(found, 200 if found["alive"] else 503)

    async def readyz(_request: Request) -> Response:
        found = health()
        return JSONResponse(found, 200 if found["alive"] and found["ready"] else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


@contextmanager
def serve_metrics(
    health: Health, metrics: Callable[[], bytes], host: str, port: int, port_variable: str
) -> Iterator[str]:
    """Serve both probes, without details, and the metrics from a thread; yield the address.

    Raises SettingsError for an address in use.
    """

    def public_health() -> Mapping[str, Any]:  # problems may name buckets and servers
        found = health()
        return {"alive": found["alive"], "ready": found["ready"]}

    async def answer(_request: Request) -> Response:
        return Response(await run_in_threadpool(metrics), media_type=_TEXT_FORMAT)

    app = Starlette(routes=[*health_routes(public_health), Route("/metrics", answer)])
    with serve_application(app, host, port, f"LABELYARD_METRICS__HOST and {port_variable}") as address:
        yield address
