"""The small rest: about, formats, share, the empty lists, Git, and the sandbox's own control endpoint."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from flask import Response, g

from cvat_sandbox.errors import SandboxError
from cvat_sandbox import tasks
from cvat_sandbox.accounts import NotAuthenticated
from cvat_sandbox.answers import NOT_FOUND_PAGE, Answer, Forbidden, NotFound, Page, Refusal, written
from cvat_sandbox.formats import listing
from cvat_sandbox.paging import paged
from cvat_sandbox.permissions import check_task
from cvat_sandbox.web import Call, Endpoint, anybody

ABOUT = {
    "name": "Computer Vision Annotation Tool",
    "description": (
        "CVAT is completely re-designed and re-implemented version of Video Annotation Tool from Irvine, California "
        "tool. It is free, online, interactive video and image annotation tool for computer vision. It is being used "
        "by our team to annotate million of objects with different properties. Many UI and UX decisions are based on "
        "feedbacks from professional data annotation team."
    ),
    "version": "1.0",
}
CSRF_PAGE = (
    '\n<!DOCTYPE html>\n<html lang="en">\n<head>\n  <title>403 Forbidden</title>\n</head>\n<body>\n'
    "  <h1>Forbidden <span>(403)</span></h1>\n  <p>CSRF verification failed. Request aborted.</p>\n</body>\n</html>\n"
)
FORBIDDEN_PAGE = (
    "<!DOCTYPE html>\n<html>\n<body>\n<h1>Forbidden</h1>\n<p>Your account doesn't have access to this "
    "page. To proceed, please login with an account that has access or contact your admin.</p>\n</body>\n</html>\n"
)
READ = "GET, HEAD, OPTIONS"


def root(call: Call) -> Answer:
    """The lists of the API."""
    return Answer({name: call.url(f"/api/v1/{name}") for name in ("projects", "tasks", "users", "plugins")})


def about(_call: Call) -> Answer:
    """What this server pretends to be."""
    return Answer(ABOUT)


def formats(_call: Call) -> Answer:
    """The formats that CVAT 1.0.0 lists."""
    return Answer(listing())


def share(call: Call) -> Answer:
    """The entries of a folder of the share."""
    folder = call.query.get("directory", "/").removeprefix("/")
    entries = call.sandbox.share.listing(folder)
    return Answer(f"{folder} is an invalid directory", 400) if entries is None else Answer(entries)


def taken(call: Call) -> Answer:
    """Logs and exceptions of clients: accepted and dropped."""
    return Answer(call.body, 201)


def nothing(call: Call) -> Answer:
    """A list that is always empty."""
    return paged(call, 0, [])


def none_made(_call: Call) -> Answer:
    """What the sandbox does not make."""
    raise Forbidden


def faults(call: Call) -> Answer:
    """GET, POST and DELETE of the rules in force, for whoever has the control token."""
    _check_token(call)
    rules = call.sandbox.faults
    try:
        if call.request.method == "POST":
            rules.set(call.body)
        elif call.request.method == "DELETE":
            rules.clear()
    except (SandboxError, TypeError) as error:
        raise Refusal(400, {"detail": str(error)}) from None
    return Answer(rules.described())


def _check_token(call: Call) -> None:
    wanted = call.sandbox.options.control_token
    sent = call.request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not wanted:
        raise NotFound
    if not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise Refusal(401, {"detail": "The control token is missing or wrong."})


ENDPOINTS = [
    Endpoint("/api/v1/", {"GET": root}, READ, name="Api Root"),
    Endpoint("/api/v1/server/about", {"GET": about}, READ, name="About"),
    Endpoint("/api/v1/server/annotation/formats", {"GET": formats}, READ, name="Annotation Formats"),
    Endpoint("/api/v1/server/share", {"GET": share}, READ, name="Share"),
    Endpoint("/api/v1/server/logs", {"POST": taken}, "POST, OPTIONS", name="Logs"),
    Endpoint("/api/v1/server/exception", {"POST": taken}, "POST, OPTIONS", name="Exception"),
    Endpoint("/api/v1/projects", {"GET": nothing, "POST": none_made}, "GET, POST, HEAD", name="Project List"),
    Endpoint("/api/v1/plugins", {"GET": nothing, "POST": none_made}, "GET, POST, HEAD, OPTIONS", name="Plugin List"),
    Endpoint("/api/v1/restrictions/user-agreements", {"GET": lambda _: Answer([])}, READ, anybody, "User Agreements"),
    Endpoint(
        "/_sandbox/faults", {"GET": faults, "POST": faults, "DELETE": faults}, "GET, POST, DELETE", anybody, "Faults",
        suffixed=False,
    ),
]  # fmt: skip


# -- views of Django's own


def _login_required(call: Call) -> None:
    """A token or a session; else to the login page."""
    if call.request.method not in {"GET", "HEAD", "OPTIONS"}:
        cookie = call.request.cookies.get("csrftoken")
        if not cookie or call.request.headers.get("X-CSRFToken") != cookie:
            raise Page(403, CSRF_PAGE)
    accounts = call.sandbox.accounts
    found = accounts.session(call.request.cookies.get("sessionid"))
    if found:
        call.user = found[1]
        return
    try:
        by_header = accounts.by_header(call.request.headers.get("Authorization", ""))
    except NotAuthenticated as error:
        raise RuntimeError(str(error)) from None
    if by_header is None or by_header[0] != "token":
        raise Page(301, "", location="/login", content_type="text/html; charset=utf-8")
    call.user = by_header[1]
    g.session = accounts.open_session(call.user)


def repository(call: Call, pk: str) -> Response:
    """The Git repository of a task: never one."""
    _login_required(call)
    try:
        row = tasks.task(call.sandbox.store, pk)
    except NotFound:
        raise Page(404, NOT_FOUND_PAGE) from None
    try:
        check_task(call.sandbox.store, call.who, row, "access")
    except Forbidden:
        raise Page(403, FORBIDDEN_PAGE, content_type="text/html; charset=utf-8") from None
    return _json({"url": {"value": None}, "status": {"value": None, "error": None}})


def repositories(call: Call) -> Response:
    """The tasks with a Git repository: none."""
    _login_required(call)
    return _json({})


def _json(data: Any) -> Response:
    return Response(written(data), content_type="application/json")


def plain_views() -> list[tuple[str, Callable[..., Response]]]:
    """The paths of these views."""
    return [("/git/repository/get/<pk>", repository), ("/git/repository/meta/get", repositories)]
