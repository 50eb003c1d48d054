"""The Authorization header, CSRF tokens and the cookies of sessions, as in Django and its REST framework."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from flask import Request, Response, g

from cvat_sandbox.rest.exceptions import NotAuthenticated
from cvat_sandbox.rest.request import ApiRequest
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state.users import Session, User, Users


@dataclass(frozen=True)
class Credentials:
    """The scheme of an Authorization header, `token` or `basic`, and the user whom it names."""

    scheme: str
    user: User


def read_header(users: Users, http: Request) -> Credentials | None:
    """Return the credentials of the Authorization header, or None for another scheme; raises NotAuthenticated."""
    word, *rest = http.headers.get("Authorization", "").split() or [""]
    scheme = word.lower()
    if scheme not in {"token", "basic"}:
        return None
    if len(rest) != 1:
        what = "Token string" if scheme == "token" else "Credentials string"
        problem = f"{what} should not contain spaces." if rest else "No credentials provided."
        raise NotAuthenticated(f"Invalid {scheme} header. {problem}")
    return Credentials(scheme, _by_token(users, rest[0]) if scheme == "token" else _by_password(users, rest[0]))


def _by_token(users: Users, key: str) -> User:
    try:
        key.encode("latin-1").decode()
    except UnicodeError:
        text = "Invalid token header. Token string should not contain invalid characters."
        raise NotAuthenticated(text) from None
    user = users.find_by_token(key)
    if user is None:
        raise NotAuthenticated("Invalid token.")
    if not user.is_active:
        raise NotAuthenticated("User inactive or deleted.")
    return user


def _by_password(users: Users, encoded: str) -> User:
    try:
        name, _, password = base64.b64decode(encoded).decode("latin-1").partition(":")
    except (ValueError, binascii.Error):
        raise NotAuthenticated("Invalid basic header. Credentials not correctly base64 encoded.") from None
    user = users.authenticate(name, password)
    if user is None:
        raise NotAuthenticated("Invalid username/password.")
    return user


def csrf_problem(http: Request, *, missing: str = "CSRF token missing or incorrect.") -> str | None:
    """Return what is wrong with the CSRF token of a request, None if it is right or the request needs none.

    missing: the text for a token that is not sent or wrong.
    """
    if http.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return None
    cookie = http.cookies.get("csrftoken")
    if not cookie:
        return "CSRF cookie not set."
    return None if http.headers.get("X-CSRFToken") == cookie else missing


def open_session(users: Users, user: User) -> None:
    """Open a session; `set_cookies` adds its cookies to the response."""
    g.session = users.open_session(user)


def logout(request: ApiRequest) -> ApiResponse:
    """Delete the token, which all clients of the user share, and end the session."""
    if request.authenticated is not None:
        request.sandbox.users.delete_token(request.authenticated)
    request.sandbox.users.close_session(request.http.cookies.get("sessionid"))
    return ApiResponse({"detail": "Successfully logged out."})


def set_cookies(response: Response) -> None:
    """Set the two cookies of a session that this request has opened, if any."""
    session: Session | None = g.get("session")
    if session is None:
        return
    response.set_cookie("csrftoken", session.csrf, max_age=31449600, samesite="Lax")
    if response.status_code < 500:
        response.set_cookie("sessionid", session.key, max_age=1209600, httponly=True, samesite="Lax")
