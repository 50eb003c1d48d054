"""The routes of the API family."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response
from werkzeug.routing import Rule

from cvat_sandbox.rest.authentication import set_cookies
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.v1 import data, dispatch, git, server, tasks, users
from cvat_sandbox.v1.annotations import ENDPOINTS as ANNOTATION_ENDPOINTS
from cvat_sandbox.web import views

ENDPOINTS = [
    *users.ENDPOINTS,
    *tasks.ENDPOINTS,
    *data.ENDPOINTS,
    *ANNOTATION_ENDPOINTS,
    *server.ENDPOINTS,
]
CONVERTERS = dispatch.CONVERTERS


def rules() -> Iterator[Rule]:
    """Return the rules of CVAT 1.0.0."""
    for endpoint in ENDPOINTS:
        yield from dispatch.rules(endpoint)
    yield from map(views.rule, git.VIEWS)


def mount(app: Flask, sandbox: Sandbox) -> None:
    """Add the endpoints and views of CVAT 1.0.0 to an application, and the cookies of its sessions."""
    for endpoint in ENDPOINTS:
        dispatch.mount(app, endpoint, sandbox)
    for path, view in git.VIEWS.items():
        views.mount(app, path, view, sandbox)

    @app.after_request
    def add_cookies(response: Response) -> Response:
        set_cookies(response)
        return response
