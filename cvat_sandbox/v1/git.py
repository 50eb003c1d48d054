"""Views of the Git plugin. They are plain Django views: no REST framework handles their requests and errors."""

from __future__ import annotations

from typing import Any

from flask import Request, Response

from cvat_sandbox.errors import Forbidden, NotFound
from cvat_sandbox.rest.authentication import csrf_problem, open_session, read_header
from cvat_sandbox.rest.exceptions import NotAuthenticated
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import to_json
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.state import tasks
from cvat_sandbox.state.permissions import check_task
from cvat_sandbox.state.users import User
from cvat_sandbox.web import html_pages
from cvat_sandbox.web.html_pages import HtmlPage
from cvat_sandbox.web.views import View

CSRF_PAGE = (
    '\n<!DOCTYPE html>\n<html lang="en">\n<head>\n  <title>403 Forbidden</title>\n</head>\n<body>\n'
    "  <h1>Forbidden <span>(403)</span></h1>\n  <p>CSRF verification failed. Request aborted.</p>\n</body>\n</html>\n"
)
FORBIDDEN_PAGE = (
    "<!DOCTYPE html>\n<html>\n<body>\n<h1>Forbidden</h1>\n<p>Your account doesn't have access to this "
    "page. To proceed, please login with an account that has access or contact your admin.</p>\n</body>\n</html>\n"
)
HTML = "text/html; charset=utf-8"


def repository(sandbox: Sandbox, request: Request, pk: str) -> Response:
    """Return the Git repository of a task: none."""
    user = _require_login(sandbox, request)
    try:
        task = tasks.get(sandbox.db, parse_id(pk))
        check_task(sandbox.db, user, task, "access")
    except NotFound:
        raise HtmlPage(404, html_pages.NOT_FOUND) from None
    except Forbidden:
        raise HtmlPage(403, FORBIDDEN_PAGE, content_type=HTML) from None
    return _json({"url": {"value": None}, "status": {"value": None, "error": None}})


def repositories(sandbox: Sandbox, request: Request) -> Response:
    """Return the tasks with a Git repository: none."""
    _require_login(sandbox, request)
    return _json({})


def _require_login(sandbox: Sandbox, request: Request) -> User:
    """Return the user of a session or token. Without one, the response redirects to the login page."""
    if csrf_problem(request):
        raise HtmlPage(403, CSRF_PAGE)
    user = sandbox.users.find_by_session(request.cookies.get("sessionid"))
    if user:
        return user
    try:
        credentials = read_header(sandbox.users, request)
    except NotAuthenticated as error:
        raise RuntimeError(str(error)) from None  # a 500 on the real server
    if credentials is None or credentials.scheme != "token":
        raise HtmlPage(301, "", location="/login", content_type=HTML)
    open_session(sandbox.users, credentials.user)
    return credentials.user


def _json(data: Any) -> Response:
    return Response(to_json(data), content_type="application/json")


VIEWS: dict[str, View] = {
    "/git/repository/get/<pk>": repository,
    "/git/repository/meta/get": repositories,
}
"""The views by path."""
