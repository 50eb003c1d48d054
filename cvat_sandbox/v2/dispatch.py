"""Dispatch: from a request to the handler of an endpoint and to the response, in the order of the REST framework.

The Accept header is read first (406), then the credentials (401, and 403 for CSRF), then the organization (404, 400)
and the scope of an access token (403), then the method (405). Only then does a handler read the object or the body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, request
from werkzeug.routing import BaseConverter, Rule

from cvat_sandbox.rest.exceptions import HANDLED, ApiException, NotAuthenticated, response_of
from cvat_sandbox.rest.negotiation import choose_renderer
from cvat_sandbox.rest.responses import ApiResponse, render
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.v2.authentication import authenticate, check_token_scope
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.web import views

MEDIA_TYPE = "application/vnd.cvat+json"
RENDERERS = {"json": MEDIA_TYPE, "api": "text/html"}
JSON = ("application/json",)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

Handler = Callable[..., ApiResponse | Response]
"""Takes the request and the variables of its path."""


@dataclass(frozen=True)
class Endpoint:
    """A path with its handlers by method. HEAD is that of GET and OPTIONS a description, unless they have their own."""

    path: str
    handlers: dict[str, Handler]
    name: str = ""
    is_public: bool = False
    """Whether it serves requests without credentials."""
    parsers: tuple[str, ...] = JSON
    """The media types of the bodies that it reads."""
    challenge: str = "Token"
    """The scheme that a response with 401 names."""
    with_slash: bool = False
    """Whether the path may end with a slash, too."""
    actions: dict[str, Any] = field(default_factory=dict)
    """The fields by method that OPTIONS describes."""

    @property
    def allow(self) -> str:
        """The Allow header."""
        own = [method for method in METHODS if method in self.handlers]
        return ", ".join([*own, *(["HEAD"] if {"GET", "HEAD"} & set(self.handlers) else []), "OPTIONS"])


class PathPart(BaseConverter):
    """A part of a path, also with the characters of a request id."""

    regex = r"[^/]+"


CONVERTERS: dict[str, type[BaseConverter]] = {"default": PathPart}


def rules(endpoint: Endpoint) -> list[Rule]:
    """Return the rules of an endpoint, for all methods."""
    return [views.rule(endpoint.path + end, endpoint.path) for end in ["", *(["/"] if endpoint.with_slash else [])]]


def mount(app: Flask, endpoint: Endpoint, sandbox: Sandbox) -> None:
    """Add the view of an endpoint to an application."""

    def view(**ids: str) -> Response:
        return _respond(endpoint, OrganizationRequest(sandbox, request, parsers=endpoint.parsers), ids)

    app.view_functions[endpoint.path] = view


def _respond(endpoint: Endpoint, api_request: OrganizationRequest, ids: dict[str, str]) -> Response:
    renderer = "json"
    try:
        renderer = choose_renderer(api_request.http, RENDERERS)
        _check_version(api_request)
        _check_access(endpoint, api_request)
        _check_throttle(api_request)
        actor = api_request.authenticated.id if api_request.authenticated else None
        with api_request.sandbox.db.events.acting(actor):
            answer = _handle(endpoint, api_request, ids)
    except HANDLED as error:
        status, detail = response_of(error)
        answer = ApiResponse(detail, status, error.headers if isinstance(error, Throttled) else {})
    response = (
        answer if isinstance(answer, Response) else render(answer, renderer, endpoint.name, media_type=MEDIA_TYPE)
    )
    response.headers["Allow"] = endpoint.allow
    response.headers["Vary"] = "Accept, Origin, Cookie"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = endpoint.challenge
    return response


class Throttled(ApiException):
    """The client has sent too many requests without credentials."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, {"detail": f"Request was throttled. Expected available in {seconds} seconds."})
        self.headers = {"Retry-After": str(seconds)}


def _check_version(api_request: OrganizationRequest) -> None:
    """Raise ApiException (406) for another version of the API than 2.0 in the Accept header."""
    for accepted in api_request.http.headers.get("Accept", "").split(","):
        media, *parameters = (part.strip() for part in accepted.split(";"))
        if media == MEDIA_TYPE and any(part.startswith("version=") and part != "version=2.0" for part in parameters):
            raise ApiException(406, {"detail": 'Invalid version in "Accept" header.'})


def _check_throttle(api_request: OrganizationRequest) -> None:
    if api_request.authenticated is None:
        seconds = api_request.sandbox.throttle.admit(api_request.http.remote_addr or "")
        if seconds:
            raise Throttled(seconds)


def _check_access(endpoint: Endpoint, api_request: OrganizationRequest) -> None:
    authenticate(api_request)
    if endpoint.is_public:
        return
    if api_request.authenticated is None:
        raise NotAuthenticated
    _ = api_request.organization  # unknown organizations are refused before anything else
    check_token_scope(api_request)


def _handle(endpoint: Endpoint, api_request: OrganizationRequest, ids: dict[str, str]) -> ApiResponse | Response:
    method = api_request.http.method
    if method == "OPTIONS" and method not in endpoint.handlers:
        return _describe(endpoint)
    handler = endpoint.handlers.get(method) or (endpoint.handlers.get("GET") if method == "HEAD" else None)
    if handler is None:
        raise ApiException(405, {"detail": f'Method "{method}" not allowed.'})
    return handler(api_request, **ids)


def _describe(endpoint: Endpoint) -> ApiResponse:
    about: dict[str, Any] = {"name": endpoint.name, "description": "", "renders": list(RENDERERS.values()),
                             "parses": list(endpoint.parsers)}  # fmt: skip
    return ApiResponse({**about, "actions": endpoint.actions} if endpoint.actions else about)
