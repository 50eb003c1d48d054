"""Dispatch: from a request to the handler of an endpoint and to the response, in the order of the REST framework.

The Accept header is read first (406), then the credentials (401, and 403 for CSRF), then the permission of the endpoint
(401, 403), then the method (405). Only then does a handler read the object or the body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter, Rule

from cvat_sandbox.rest.exceptions import HANDLED, ApiException, response_of
from cvat_sandbox.rest.negotiation import choose_renderer
from cvat_sandbox.rest.permissions import is_authenticated
from cvat_sandbox.rest.request import PARSERS, ApiRequest
from cvat_sandbox.rest.responses import ApiResponse, render
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.v1.authentication import authenticate
from cvat_sandbox.v1.permissions import Permission
from cvat_sandbox.web import views

RENDERERS = {"json": "application/json", "api": "text/html"}

Handler = Callable[..., ApiResponse | Response]
"""Takes the request and the variables of its path."""


@dataclass(frozen=True)
class Endpoint:
    """A path with its handlers by method."""

    path: str
    handlers: dict[str, Handler]
    allow: str
    """The Allow header."""
    permission: Permission = is_authenticated
    name: str = ""
    suffixed: bool = True
    """Whether the path may end with the name of a renderer, as in `tasks.json`."""
    actions: dict[str, Any] = field(default_factory=dict)
    """The fields by method that OPTIONS describes."""


class Name(BaseConverter):
    """A part of a path. It contains no dot, because a renderer may follow one."""

    regex = r"[^/.]+"


class Suffix(BaseConverter):
    """The name of a renderer."""

    regex = r"[a-z0-9]+"


CONVERTERS: dict[str, type[BaseConverter]] = {"default": Name, "suffix": Suffix}


def rules(endpoint: Endpoint) -> list[Rule]:
    """Return the rules of an endpoint, for all methods."""
    suffixes = [".<suffix:suffix>", ".<suffix:suffix>/"] if endpoint.suffixed else []
    return [views.rule(endpoint.path + end, endpoint.path) for end in ["", *suffixes]]


def mount(app: Flask, endpoint: Endpoint, sandbox: Sandbox) -> None:
    """Add the view of an endpoint to an application."""

    def view(suffix: str = "", **ids: str) -> Response:
        return _respond(endpoint, ApiRequest(sandbox, request), suffix, ids)

    app.view_functions[endpoint.path] = view


def _respond(endpoint: Endpoint, api_request: ApiRequest, suffix: str, ids: dict[str, str]) -> Response:
    renderer = "json"
    try:
        renderer = choose_renderer(api_request.http, RENDERERS, suffix or api_request.http.args.get("scheme", ""))
        authenticate(api_request)
        endpoint.permission(api_request)
        answer = _handle(endpoint, api_request, ids)
    except HANDLED as error:
        status, detail = response_of(error)
        answer = ApiResponse(detail, status)
    response = answer if isinstance(answer, Response) else render(answer, renderer, endpoint.name)
    response.headers["Allow"] = endpoint.allow
    response.headers["Vary"] = "Accept,Cookie,Origin"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Token"
    return response


def _handle(endpoint: Endpoint, api_request: ApiRequest, ids: dict[str, str]) -> ApiResponse | Response:
    method = api_request.http.method
    if method == "OPTIONS" and "OPTIONS" in endpoint.allow:
        return _describe(endpoint)
    handler = endpoint.handlers.get("GET" if method == "HEAD" else method)
    if handler is None:
        raise ApiException(405, {"detail": f'Method "{method}" not allowed.'})
    return handler(api_request, **ids)


def _describe(endpoint: Endpoint) -> ApiResponse:
    about = {"name": endpoint.name, "description": "", "renders": list(RENDERERS.values()), "parses": list(PARSERS)}
    return ApiResponse({**about, "actions": endpoint.actions} if endpoint.actions else about)
