"""Login, logout, registration and users."""

from __future__ import annotations

from typing import Any

from flask import g

from cvat_sandbox.accounts import User
from cvat_sandbox.answers import Answer, Forbidden, NotFound
from cvat_sandbox.paging import page_of, paged
from cvat_sandbox.tasks import key, order
from cvat_sandbox.web import SAFE, Call, Endpoint, anybody, signed_in

BASICS = ("id", "username", "first_name", "last_name", "email")
DETAILS = (*BASICS, "is_staff", "is_superuser", "is_active", "last_login", "date_joined")
"""What lists of users may be ordered by, for those who are not staff and those who are."""


def login(call: Call) -> Answer:
    """The user's one token, and a session."""
    user = call.sandbox.accounts.login(call.body, form=call.is_form)
    g.session = call.sandbox.accounts.open_session(user)
    return Answer({"key": call.sandbox.accounts.token(user)})


def logout(call: Call) -> Answer:
    """Delete the token that all of the user's clients share."""
    if call.user is not None:
        call.sandbox.accounts.forget_token(call.user)
    call.sandbox.accounts.close_session(call.request.cookies.get("sessionid"))
    return Answer({"detail": "Successfully logged out."})


def register(call: Call) -> Answer:
    """A new account without groups."""
    user = call.sandbox.accounts.register(call.body, form=call.is_form)
    g.session = call.sandbox.accounts.open_session(user)
    return Answer({"key": call.sandbox.accounts.token(user)}, 201)


def users(call: Call) -> Answer:
    """Everybody; people who are not staff see the short form."""
    names = DETAILS if call.who.is_staff else BASICS
    everybody = call.sandbox.accounts.all(order(call.query, names, "id"))
    first, size = page_of(call, len(everybody))
    chosen = everybody[first : first + size]
    return paged(call, len(everybody), [described(call, user, full=call.who.is_staff) for user in chosen])


def myself(call: Call) -> Answer:
    """The user who asks."""
    return Answer(described(call, call.who, full=True))


def user(call: Call, pk: str) -> Answer:
    """One user."""
    found = _user(call, pk)
    return Answer(described(call, found, full=call.who.is_staff or found.id == call.who.id))


def change_user(call: Call, pk: str) -> Answer:
    """PATCH of a user: of oneself, or of anybody by an admin."""
    person = _user(call, pk)
    changed = call.sandbox.accounts.change(person, call.body, by=call.who)
    return Answer(described(call, changed, full=call.who.is_staff))


def delete_user(call: Call, pk: str) -> Answer:
    """DELETE of a user: oneself, or anybody by an admin."""
    call.sandbox.accounts.delete(_user(call, pk))
    return Answer(status=204)


def described(call: Call, user: User, *, full: bool) -> dict[str, Any]:
    """A user as the API shows one."""
    short = {"url": call.url(f"/api/v1/users/{user.id}"), "id": user.id, "username": user.username,
             "first_name": user.first_name, "last_name": user.last_name, "email": user.email}  # fmt: skip
    if not full:
        return short
    return {**short, "groups": list(user.groups), "is_staff": user.is_staff, "is_superuser": user.is_superuser,
            "is_active": user.is_active, "last_login": user.last_login, "date_joined": user.date_joined}  # fmt: skip


def user_gate(call: Call) -> None:
    """Everybody may look; only admins may change others. An id that is no number crashes all but a look."""
    number = 0 if call.request.method in SAFE else int((call.request.view_args or {}).get("pk", "0"))
    signed_in(call)
    if call.request.method not in SAFE and number != call.who.id and not call.who.may("admin"):
        raise Forbidden


def _user(call: Call, pk: str) -> User:
    found = call.sandbox.accounts.get(key(pk))
    if found is None:
        raise NotFound
    return found


ENDPOINTS = [
    Endpoint("/api/v1/auth/login", {"POST": login}, "POST, OPTIONS", anybody, "Login", suffixed=False),
    Endpoint("/api/v1/auth/logout", {"POST": logout}, "GET, POST, HEAD, OPTIONS", anybody, "Logout", suffixed=False),
    Endpoint("/api/v1/auth/register", {"POST": register}, "POST, OPTIONS", anybody, "Register", suffixed=False),
    Endpoint("/api/v1/users", {"GET": users}, "GET, HEAD", user_gate, "User List"),
    Endpoint("/api/v1/users/self", {"GET": myself}, "GET, HEAD", user_gate, "Self"),
    Endpoint("/api/v1/users/<pk>", {"GET": user, "PATCH": change_user, "DELETE": delete_user},
             "GET, HEAD, PATCH, DELETE", user_gate, "User Instance"),
]  # fmt: skip
