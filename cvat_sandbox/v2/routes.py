"""The routes of the API family."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response
from werkzeug.routing import Rule

from cvat_sandbox.rest.authentication import set_cookies
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.v2 import (
    access_tokens,
    consensus,
    data,
    dispatch,
    exports,
    import_pieces,
    jobs,
    labels,
    quality,
    requests,
    server,
    tasks,
    tus,
    unserved,
    users,
    validation,
)
from cvat_sandbox.v2.annotations import ENDPOINTS as ANNOTATION_ENDPOINTS

SERVED = [
    *server.ENDPOINTS,
    *users.ENDPOINTS,
    *access_tokens.ENDPOINTS,
    *tasks.ENDPOINTS,
    *data.ENDPOINTS,
    *tus.ENDPOINTS,
    *validation.ENDPOINTS,
    *quality.ENDPOINTS,
    *consensus.ENDPOINTS,
    *jobs.ENDPOINTS,
    *ANNOTATION_ENDPOINTS,
    *exports.ENDPOINTS,
    *import_pieces.ENDPOINTS,
    *labels.ENDPOINTS,
    *requests.ENDPOINTS,
]
ENDPOINTS = unserved.completed(SERVED)
CONVERTERS = dispatch.CONVERTERS


def rules() -> Iterator[Rule]:
    """Return the rules of CVAT 2.x."""
    for endpoint in ENDPOINTS:
        yield from dispatch.rules(endpoint)


def mount(app: Flask, sandbox: Sandbox) -> None:
    """Add the endpoints of CVAT 2.x to an application, and the cookies of its sessions."""
    for endpoint in ENDPOINTS:
        dispatch.mount(app, endpoint, sandbox)

    @app.after_request
    def add_cookies(response: Response) -> Response:
        set_cookies(response)
        return response
