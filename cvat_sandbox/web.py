"""From a request to an answer, in the order of Django REST framework.

Accept is read first (406), then who asks (401, 403 for CSRF), then the gate of the endpoint (401, 403), then the
method (405), and only then does anything look at the object or the body.
"""

from __future__ import annotations

import codecs
import html
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from flask import Flask, Request, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Rule

from cvat_sandbox.accounts import NotAuthenticated, Session, User
from cvat_sandbox.answers import (
    ERROR_PAGE,
    NOT_FOUND_PAGE,
    Answer,
    Forbidden,
    NotFound,
    Page,
    Refusal,
    Unauthorized,
    written,
)
from cvat_sandbox.fields import NULL, Invalid, finite
from cvat_sandbox.parts import Sandbox

log = logging.getLogger(__name__)

SAFE = ("GET", "HEAD", "OPTIONS")
RENDERERS = {"json": "application/json", "api": "text/html"}
PARSERS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
LARGEST_JSON = 256 * 2**20


@dataclass
class Call:
    """A request to an endpoint, with the one who asks."""

    sandbox: Sandbox
    request: Request
    user: User | None = None

    @property
    def who(self) -> User:
        """The user; the gate has let nobody else in."""
        assert self.user is not None
        return self.user

    @property
    def query(self) -> dict[str, str]:
        """The query; of repeated names the last counts."""
        return {name: values[-1] for name, values in self.request.args.lists()}

    def url(self, path: str) -> str:
        """An absolute URL of this server."""
        return self.request.host_url.rstrip("/") + path

    @cached_property
    def body(self) -> Any:
        """The parsed body: JSON, or the fields of a form (`is_form` says which); uploads are read elsewhere."""
        media = self.media_type
        if not self.has_body:
            return {}
        if media == "application/json":
            return self._json()
        if media not in PARSERS:
            raise Refusal(415, {"detail": f'Unsupported media type "{self.request.content_type or ""}" in request.'})
        return {name: values[-1] for name, values in self.request.form.lists()}

    @property
    def has_body(self) -> bool:
        """Whether anything was sent."""
        chunked = bool(self.request.environ.get("wsgi.input_terminated"))
        return chunked or bool(self.request.content_length)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return (self.request.mimetype or "").lower()

    @property
    def is_form(self) -> bool:
        """Whether the body is a form."""
        return self.media_type in PARSERS[1:] and self.has_body

    @property
    def _charset(self) -> str:
        """The encoding that the content type names, where there is such a one."""
        try:
            return codecs.lookup(self.request.mimetype_params.get("charset", "utf-8")).name
        except LookupError:
            return "utf-8"

    def _json(self) -> Any:
        if (self.request.content_length or 0) > LARGEST_JSON:
            raise Refusal(413, {"detail": "The sandbox reads JSON up to 256 MiB."})
        try:
            return json.loads(self.request.get_data(cache=False).decode(self._charset), parse_constant=_refuse_constant)
        except ValueError as error:
            raise Refusal(400, {"detail": f"JSON parse error - {error}"}) from None


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {word!r}")


Handler = Callable[..., Answer | Response]
Gate = Callable[[Call], None]


def anybody(call: Call) -> None:
    """A gate that is open."""


def signed_in(call: Call) -> None:
    """A gate for everybody with an account."""
    if call.user is None:
        raise Unauthorized


def tasks_gate(call: Call) -> None:
    """Tasks: only admins and users may POST, only admins what is no method of a task."""
    signed_in(call)
    method = call.request.method
    if method == "POST" and not call.who.may("admin", "user"):
        raise Forbidden
    if method not in (*SAFE, "POST", "PATCH", "PUT", "DELETE") and not call.who.may("admin"):
        raise Forbidden


def jobs_gate(call: Call) -> None:
    """Jobs: only admins may use a method that jobs do not have."""
    signed_in(call)
    if call.request.method not in (*SAFE, "PATCH", "PUT", "DELETE") and not call.who.may("admin"):
        raise Forbidden


@dataclass(frozen=True)
class Endpoint:
    """A path with its handlers by method; `allow` is its Allow header, `head` False marks a HEAD that crashes.

    `suffixed`: the path may end with the name of a renderer, as in `tasks.json`.
    """

    path: str
    handlers: dict[str, Handler]
    allow: str
    gate: Gate = signed_in
    name: str = ""
    head: bool = True
    suffixed: bool = True
    actions: dict[str, Any] = field(default_factory=dict)


class Name(BaseConverter):
    """A part of a path that names an object: without a dot, behind which a renderer may be named."""

    regex = r"[^/.]+"


class Suffix(BaseConverter):
    """The name of a renderer."""

    regex = r"[a-z0-9]+"


CONVERTERS: dict[str, type[BaseConverter]] = {"default": Name, "suffix": Suffix}


def mount(app: Flask, endpoint: Endpoint, sandbox: Sandbox) -> None:
    """Add an endpoint to the application; every method comes to it."""
    suffixes = [".<suffix:suffix>", ".<suffix:suffix>/"] if endpoint.suffixed else []
    for end in ["", *suffixes]:
        rule = Rule(endpoint.path + end, endpoint=endpoint.path)
        rule.provide_automatic_options = False  # type: ignore[attr-defined] # Flask asks for it
        app.url_map.add(rule)

    def view(suffix: str = "", **ids: str) -> Response:
        return _dispatch(endpoint, Call(sandbox, request), suffix, ids)

    app.view_functions[endpoint.path] = view


def mount_plain(app: Flask, path: str, view: Callable[..., Response], sandbox: Sandbox) -> None:
    """Add a view of Django's own, without the REST framework around it."""
    rule = Rule(path, endpoint=path)
    rule.provide_automatic_options = False  # type: ignore[attr-defined]
    app.url_map.add(rule)
    app.view_functions[path] = lambda **ids: view(Call(sandbox, request), **ids)


def _dispatch(endpoint: Endpoint, call: Call, suffix: str, ids: dict[str, str]) -> Response:
    renderer = "json"
    try:
        renderer = _negotiate(call.request, suffix or call.request.args.get("scheme", ""))
        authenticate(call)
        endpoint.gate(call)
        answer = _handle(endpoint, call, ids)
    except Refusal as refusal:
        answer = Answer(refusal.detail, refusal.status)
    except Invalid as error:
        answer = Answer({"non_field_errors": ["No data provided"]} if error.detail == NULL else error.detail, 400)
    response = answer if isinstance(answer, Response) else _render(answer, renderer, endpoint)
    response.headers["Allow"] = endpoint.allow
    response.headers["Vary"] = "Accept,Cookie,Origin"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Token"
    return response


def _handle(endpoint: Endpoint, call: Call, ids: dict[str, str]) -> Answer | Response:
    method = call.request.method
    if method == "OPTIONS" and "OPTIONS" in endpoint.allow:
        return _describe(endpoint)
    if method == "HEAD":
        if not endpoint.head:
            raise AttributeError("'NoneType' has no 'update'")
        method = "GET"
    if method not in endpoint.handlers:
        raise Refusal(405, {"detail": f'Method "{call.request.method}" not allowed.'})
    return endpoint.handlers[method](call, **ids)


def _describe(endpoint: Endpoint) -> Answer:
    about = {"name": endpoint.name, "description": "", "renders": list(RENDERERS.values()), "parses": list(PARSERS)}
    return Answer({**about, "actions": endpoint.actions} if endpoint.actions else about)


def _negotiate(req: Request, wanted: str) -> str:
    """The renderer for the Accept header, among those of the `wanted` name: the more exact a range, the sooner."""
    renderers = {name: media for name, media in RENDERERS.items() if wanted in {"", name}}
    if not renderers:
        raise NotFound
    ranges = [part.split(";")[0].strip().lower() for part in (req.headers.get("Accept") or "*/*").split(",")]
    for exactness in (2, 1, 0):
        for name, media in renderers.items():
            if any(_exactness(accepted) == exactness and _covers(accepted, media) for accepted in ranges):
                return name
    raise Refusal(406, {"detail": "Could not satisfy the request Accept header."})


def _exactness(media_range: str) -> int:
    return 2 - media_range.split("/").count("*")


def _covers(media_range: str, media: str) -> bool:
    return all(a in {"*", b} for a, b in zip(media_range.split("/"), media.split("/"), strict=False))


def authenticate(call: Call) -> None:
    """Set the user of a call: by token, session or password, in this order; open a session for a token."""
    accounts, req = call.sandbox.accounts, call.request
    try:
        by_header = accounts.by_header(req.headers.get("Authorization", ""))
    except NotAuthenticated as error:
        raise Unauthorized(str(error)) from None
    cookie = req.cookies.get("sessionid")
    if by_header and by_header[0] == "token":
        call.user = by_header[1]
        if cookie is None:
            g.session = accounts.open_session(call.user)
        return
    if "sign" in req.args:
        raise Unauthorized("Invalid signature.")
    found = accounts.session(cookie)
    if found:
        _check_csrf(req)
        call.user = found[1]
    elif by_header:
        call.user = by_header[1]


def _check_csrf(req: Request) -> None:
    if req.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return
    cookie = req.cookies.get("csrftoken")
    if not cookie:
        raise Forbidden("CSRF Failed: CSRF cookie not set.")
    if req.headers.get("X-CSRFToken") != cookie:
        raise Forbidden("CSRF Failed: CSRF token missing or incorrect.")


def _render(answer: Answer, renderer: str, endpoint: Endpoint) -> Response:
    if answer.data is None:
        response = Response(b"", answer.status, headers=dict(answer.headers), content_type="application/json")
        if answer.status == HTTPStatus.NO_CONTENT:
            del response.headers["Content-Type"]
        return response
    if not finite(answer.data):
        raise ValueError("Out of range float values are not JSON compliant")
    text = written(answer.data)
    if renderer == "json":
        return Response(text, answer.status, headers=dict(answer.headers), content_type="application/json")
    page = (
        f"<!DOCTYPE html><html><head><title>{html.escape(endpoint.name)} - Django REST framework</title></head>"
        f"<body><h1>{html.escape(endpoint.name)}</h1><pre>{html.escape(text)}</pre></body></html>"
    )
    return Response(page, answer.status, headers=dict(answer.headers), content_type="text/html; charset=utf-8")


def set_cookies(response: Response, session: Session | None) -> None:
    """The two cookies of a session that this request has opened."""
    if session is None:
        return
    response.set_cookie("csrftoken", session.csrf, max_age=31449600, samesite="Lax")
    if response.status_code < 500:
        response.set_cookie("sessionid", session.key, max_age=1209600, httponly=True, samesite="Lax")


def on_error(error: Exception) -> Response:
    """The answer to whatever nobody has caught."""
    if isinstance(error, Page):
        return error.response()
    if isinstance(error, HTTPException):
        if error.code == 404:
            return Response(NOT_FOUND_PAGE, 404, content_type="text/html")
        return Response(f"<h1>Bad Request ({error.code})</h1>", error.code or 400, content_type="text/html")
    log.info("500 for %s %s", request.method, request.path, exc_info=error)
    return Response(ERROR_PAGE, 500, content_type="text/html")
