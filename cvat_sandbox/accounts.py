"""Who may come in: users, their one token each, and sessions with cookies."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.credentials import CONFIRMATIONS, GROUPS, FreshEmail, GroupNames, Password, Username
from cvat_sandbox.fields import Email, Flag, Invalid, Object, Text
from cvat_sandbox.state import BrokenConstraint, Store, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

ROLES = ("superuser", "staff", *GROUPS)
MOST_SESSIONS = 10_000
LONGEST = {"first_name": 30, "last_name": 150, "email": 254}
"""What registration cuts in silence, and a change refuses."""


@dataclass(frozen=True)
class Person:
    """A user as the command line names one."""

    name: str
    password: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """A row of the user table."""

    id: int
    username: str
    password: str
    first_name: str
    last_name: str
    email: str
    groups: tuple[str, ...]
    is_staff: bool
    is_superuser: bool
    is_active: bool
    last_login: str | None
    date_joined: str

    def may(self, *groups: str) -> bool:
        """Whether the user is in one of the groups; a superuser has every permission."""
        return self.is_superuser or any(group in self.groups for group in groups)


class NotAuthenticated(Exception):
    """Credentials were given and are wrong: 401."""


@dataclass(frozen=True)
class Session:
    """A session: whose, and the CSRF token that goes with it."""

    key: str
    user_id: int
    csrf: str


class Accounts:
    """The users of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    # -- users

    def add(self, people: Iterable[Person]) -> None:
        """Create the users that do not exist yet, in order."""
        for person in people:
            if not self._store.one("SELECT 1 FROM user WHERE username = ?", person.name):
                superuser = "superuser" in person.roles
                groups = [group for group in GROUPS if group in person.roles or (group == "admin" and superuser)]
                self._create(
                    person.name, person.password, email=f"{person.name}@example.com", groups=groups,
                    is_staff=superuser or "staff" in person.roles, is_superuser=superuser,
                )  # fmt: skip

    def _create(self, username: str, password: str, *, email: str, groups: list[str], **values: Any) -> int:
        row = {"first_name": "", "last_name": "", "is_staff": False, "is_superuser": False, **values}
        return self._store.insert(
            "user", username=username, password=password, email=email, groups=json.dumps(groups), is_active=True,
            date_joined=now(), **row,
        )  # fmt: skip

    def get(self, key: Any) -> User | None:
        """The user with this id."""
        return _user(self._store.one("SELECT * FROM user WHERE id = ?", key))

    def exists(self, key: int) -> bool:
        """Whether there is a user with this id."""
        return self._store.one("SELECT 1 FROM user WHERE id = ?", key) is not None

    def all(self, order: str = "id") -> list[User]:
        """Every user, in the order of an SQL clause."""
        rows = self._store.all(f"SELECT * FROM user ORDER BY {order}")  # noqa: S608 - names of our own
        return [user for row in rows if (user := _user(row))]

    def delete(self, user: User) -> None:
        """Remove a user; tasks and jobs keep their place without one."""
        with self._store.transaction():
            self._store.run("UPDATE task SET owner = NULL WHERE owner = ?", user.id)
            self._store.run("UPDATE task SET assignee = NULL WHERE assignee = ?", user.id)
            self._store.run("UPDATE job SET assignee = NULL WHERE assignee = ?", user.id)
            self._store.run("DELETE FROM user WHERE id = ?", user.id)

    def change(self, user: User, body: Any, *, by: User) -> User:
        """PATCH of a user; people who are not staff may change their names and address only."""
        clean = self._fields(user, full=by.is_staff).run(body, partial=True)
        unknown = set(body) - {"url", "id", "username", "first_name", "last_name", "email"}
        if unknown and not by.is_staff:
            forbidden = {"is_staff", "is_superuser", "groups"} & unknown
            words = "You do not have permissions to access some of these fields" if forbidden else "Got unknown fields"
            raise Invalid({"non_field_errors": [f"{words}: {unknown}"]})
        if "groups" in clean:
            clean["groups"] = json.dumps([group for group in GROUPS if group in clean["groups"]])
        for name, value in clean.items():
            self._store.run(f'UPDATE user SET "{name}" = ? WHERE id = ?', value, user.id)  # noqa: S608 - names of our own
        changed = self.get(user.id)
        assert changed is not None
        return changed

    def _fields(self, user: User, *, full: bool) -> Object:
        basic = {
            "username": Username(self.taken, longest=150, exact=True, but=user.id),
            **{name: Text(longest=LONGEST[name], blank=True) for name in ("first_name", "last_name")},
            "email": Email(longest=LONGEST["email"], blank=True),
        }  # fmt: skip
        staff = {"groups": GroupNames(), "is_staff": Flag(), "is_superuser": Flag(), "is_active": Flag()}
        return Object({**basic, **(staff if full else {})})

    # -- coming in

    def check(self, username: str, password: str) -> User | None:
        """The active user of this name (case counts) with this password."""
        user = _user(self._store.one("SELECT * FROM user WHERE username = ? AND is_active", username))
        right = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        return user if right else None

    def login(self, body: Mapping[str, Any], *, form: bool) -> User:
        """The user whom a login names; raises Invalid."""
        fields = {"username": Text(blank=True, required=False), "email": Email(blank=True, required=False),
                  "password": Text()}  # fmt: skip
        clean = Object(fields).run(body, form=form)
        if not clean.get("username"):
            raise Invalid({"non_field_errors": ['Must include "username" and "password".']})
        user = self.check(clean["username"], clean["password"])
        if user is None:
            raise Invalid({"non_field_errors": ["Unable to log in with provided credentials."]})
        return user

    def register(self, body: Mapping[str, Any], *, form: bool) -> User:
        """A new user without any group; raises Invalid."""
        fields = {"username": Username(self.taken, longest=150), "email": FreshEmail(self.taken, required=False),
                  "password1": Password(), "password2": Text(), "first_name": Text(required=False),
                  "last_name": Text(required=False), "confirmations": CONFIRMATIONS}  # fmt: skip
        clean = Object(fields).run(body, form=form)
        if clean["password1"] != clean["password2"]:
            raise Invalid({"non_field_errors": ["The two password fields didn't match."]})
        cut = {name: clean.get(name, "")[:longest] for name, longest in LONGEST.items()}
        try:
            key = self._create(clean["username"], clean["password1"], groups=[], **cut)
        except BrokenConstraint:
            raise Invalid({"username": ["A user with that username already exists."]}) from None
        user = self.get(key)
        assert user is not None
        return user

    def taken(self, column: str, value: str, *, exact: bool = False, but: int = 0) -> bool:
        """Whether another user than `but` has this name or address."""
        test = f'"{column}" = ?' if exact else f'lower("{column}") = lower(?)'
        return self._store.one(f"SELECT 1 FROM user WHERE {test} AND id != ?", value, but) is not None  # noqa: S608 - names of our own

    def token(self, user: User) -> str:
        """The user's token, made at the first login."""
        with self._store.transaction():
            row = self._store.one("SELECT token FROM user WHERE id = ?", user.id)
            if row and row["token"]:
                return str(row["token"])
            key = secrets.token_hex(20)
            self._store.run("UPDATE user SET token = ? WHERE id = ?", key, user.id)
            return key

    def forget_token(self, user: User) -> None:
        """Delete the token, which ends all of the user's clients."""
        self._store.run("UPDATE user SET token = NULL WHERE id = ?", user.id)

    def by_header(self, header: str) -> tuple[str, User] | None:
        """The scheme and the user of an Authorization header; None when it is of no known scheme."""
        word, *rest = header.split() or [""]
        scheme = word.lower()
        if scheme not in {"token", "basic"}:
            return None
        if len(rest) != 1:
            what = "Token string" if scheme == "token" else "Credentials string"
            tail = f"{what} should not contain spaces." if rest else "No credentials provided."
            raise NotAuthenticated(f"Invalid {scheme} header. {tail}")
        return scheme, self._by_token(rest[0]) if scheme == "token" else self._by_password(rest[0])

    def _by_token(self, key: str) -> User:
        try:
            key.encode("latin-1").decode()
        except UnicodeError:
            words = "Invalid token header. Token string should not contain invalid characters."
            raise NotAuthenticated(words) from None
        user = _user(self._store.one("SELECT * FROM user WHERE token = ?", key))
        if user is None:
            raise NotAuthenticated("Invalid token.")
        if not user.is_active:
            raise NotAuthenticated("User inactive or deleted.")
        return user

    def _by_password(self, encoded: str) -> User:
        try:
            name, _, password = base64.b64decode(encoded).decode("latin-1").partition(":")
        except (ValueError, binascii.Error):
            raise NotAuthenticated("Invalid basic header. Credentials not correctly base64 encoded.") from None
        user = self.check(name, password)
        if user is None:
            raise NotAuthenticated("Invalid username/password.")
        return user

    # -- sessions

    def open_session(self, user: User) -> Session:
        """A new session, which also counts as a login."""
        session = Session(secrets.token_hex(16), user.id, secrets.token_hex(32))
        self._store.run("UPDATE user SET last_login = ? WHERE id = ?", now(), user.id)
        with self._lock:
            self._sessions[session.key] = session
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def session(self, key: str | None) -> tuple[Session, User] | None:
        """The session of a cookie, and its active user."""
        session = self._sessions.get(key or "")
        user = self.get(session.user_id) if session else None
        return (session, user) if session and user and user.is_active else None

    def close_session(self, key: str | None) -> None:
        """End the session of a cookie."""
        with self._lock:
            self._sessions.pop(key or "", None)


def _user(row: sqlite3.Row | None) -> User | None:
    if row is None:
        return None
    values = {name: row[name] for name in row.keys() if name not in {"groups", "token"}}  # noqa: SIM118 - a Row
    flags = {name: bool(row[name]) for name in ("is_staff", "is_superuser", "is_active")}
    return User(**{**values, **flags, "groups": tuple(json.loads(row["groups"]))})
