"""Authentication: who sends a request, by token, session or password."""

from __future__ import annotations

from cvat_sandbox.rest.authentication import csrf_problem, open_session, read_header
from cvat_sandbox.rest.exceptions import NotAuthenticated, PermissionDenied
from cvat_sandbox.rest.request import ApiRequest


def authenticate(request: ApiRequest) -> None:
    """Set the user of a request by token, session or password, in this order. A token without a session opens one."""
    users, http = request.sandbox.users, request.http
    credentials = read_header(users, http)
    cookie = http.cookies.get("sessionid")
    if credentials and credentials.scheme == "token":
        request.authenticated = credentials.user
        if cookie is None:
            open_session(users, credentials.user)
        return
    if "sign" in http.args:
        raise NotAuthenticated("Invalid signature.")
    user = users.find_by_session(cookie)
    if user:
        if problem := csrf_problem(http):
            raise PermissionDenied(f"CSRF Failed: {problem}")
        request.authenticated = user
    elif credentials:
        request.authenticated = credentials.user
