"""Users, with one token each, and sessions."""

from __future__ import annotations

import json
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.database import Database, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

GROUPS = ("admin", "user", "annotator", "observer")
"""The groups of 1.0.0."""
SYSTEM_ROLES = ("admin", "user", "worker")
"""The groups of 2.x. A user without one is in `user`."""
ROLES = ("superuser", "staff", *GROUPS, "worker")
MAX_SESSIONS = 10_000
UNUSABLE = "\x00"
"""The beginning of a password that nobody can send: the user was invited and has not registered."""
_REFERENCES = (
    ("task", "owner"), ("task", "assignee"), ("job", "assignee"), ("project", "owner"), ("project", "assignee"),
    ("organization", "owner"), ("invitation", "owner"), ("issue", "owner"), ("issue", "assignee"),
    ("comment", "owner"), ("webhook", "owner"), ("cloud_storage", "owner"), ("request", "owner"),
    ("quality_report", "assignee"),
)  # fmt: skip
"""Where a user may be named."""


@dataclass(frozen=True)
class Person:
    """A user to create, as the command line names one."""

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

    def is_in(self, *groups: str) -> bool:
        """Return whether the user is in one of the groups. A superuser is in all of them."""
        return self.is_superuser or any(group in self.groups for group in groups)


@dataclass(frozen=True)
class Session:
    """A session of a user, and its CSRF token."""

    key: str
    user_id: int
    csrf: str


class Users:
    """The users of a database, and their sessions, which end with the process."""

    def __init__(self, db: Database, groups: tuple[str, ...] = GROUPS) -> None:
        self._db, self._groups = db, groups
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, people: Iterable[Person]) -> None:
        """Create the people who are not users yet, in order."""
        for person in people:
            if not self._db.one("SELECT 1 FROM user WHERE username = ?", person.name):
                superuser = "superuser" in person.roles
                groups = [group for group in self._groups if group in person.roles or (group == "admin" and superuser)]
                self.create(
                    person.name, person.password, email=f"{person.name}@example.com",
                    groups=groups if self._groups == GROUPS else groups or ["user"],
                    is_staff=superuser or "staff" in person.roles, is_superuser=superuser,
                    **self._full_name(person, superuser=superuser),
                )  # fmt: skip

    def _full_name(self, person: Person, *, superuser: bool) -> dict[str, str]:
        """Return the name that a user of 2.x gave at registration; a superuser does not register."""
        if superuser or self._groups == GROUPS:
            return {}
        return {"first_name": person.name.capitalize(), "last_name": "Test"}

    def create(self, username: str, password: str, *, email: str, groups: list[str], **values: Any) -> int:
        """Insert a user and return the id; raises BrokenConstraint for a name that exists."""
        row = {"first_name": "", "last_name": "", "is_staff": False, "is_superuser": False, **values}
        return self._db.insert(
            "user", username=username, password=password, email=email, groups=json.dumps(groups), is_active=True,
            date_joined=now(), **row,
        )  # fmt: skip

    def create_without_password(self, email: str) -> int:
        """Insert a user who is called like the e-mail address and cannot log in; return the id."""
        return self.create(email, UNUSABLE + secrets.token_hex(20), email=email, groups=["user"])

    def get(self, key: int) -> User | None:
        """Return the user with this id, or None."""
        return _user(self._db.one("SELECT * FROM user WHERE id = ?", key))

    def find_by_email(self, email: str) -> User | None:
        """Return the user with this e-mail address, in which case does not count, or None."""
        return _user(self._db.one("SELECT * FROM user WHERE lower(email) = lower(?) AND email != '' LIMIT 1", email))

    def exists(self, key: int) -> bool:
        """Return whether a user has this id."""
        return self._db.one("SELECT 1 FROM user WHERE id = ?", key) is not None

    def is_taken(self, column: str, value: str, *, exact: bool = False, except_id: int = 0) -> bool:
        """Return whether another user than `except_id` has this name or address; case counts only with `exact`."""
        test = f'"{column}" = ?' if exact else f'lower("{column}") = lower(?)'
        sql = f"SELECT 1 FROM user WHERE {test} AND id != ?"  # noqa: S608 - the names are constants
        return self._db.one(sql, value, except_id) is not None

    def all(self, order: str = "id") -> list[User]:
        """Return all users, ordered by an SQL clause."""
        rows = self._db.all(f"SELECT * FROM user ORDER BY {order}")  # noqa: S608 - the names are constants
        return [user for row in rows if (user := _user(row))]

    def several(self, keys: list[int]) -> list[User]:
        """Return the users with these ids, in the order of the ids."""
        rows = self._db.all("SELECT * FROM user WHERE id IN (SELECT value FROM json_each(?))", json.dumps(keys))
        found = {row["id"]: user for row in rows if (user := _user(row))}
        return [found[key] for key in keys if key in found]

    def update(self, user: User, values: dict[str, Any]) -> User:
        """Change columns of a user and return the changed user."""
        if "groups" in values:
            values = {**values, "groups": json.dumps([group for group in self._groups if group in values["groups"]])}
        for name, value in values.items():
            self._db.execute(f'UPDATE user SET "{name}" = ? WHERE id = ?', value, user.id)  # noqa: S608 - the names are constants
        changed = self.get(user.id)
        assert changed is not None
        return changed

    def delete(self, user: User) -> None:
        """Delete a user with their memberships. Their tasks, jobs, … remain, without an owner or assignee."""
        with self._db.transaction():
            for table, column in _REFERENCES:
                self._db.execute(f"UPDATE {table} SET {column} = NULL WHERE {column} = ?", user.id)  # noqa: S608 - the names are constants
            invited = "SELECT id FROM membership WHERE user_id = ?"
            self._db.execute(f"DELETE FROM invitation WHERE membership_id IN ({invited})", user.id)  # noqa: S608 - the names are constants
            self._db.execute("DELETE FROM membership WHERE user_id = ?", user.id)
            self._db.execute("DELETE FROM access_token WHERE owner = ?", user.id)
            self._db.execute("DELETE FROM user WHERE id = ?", user.id)

    # -- passwords and tokens

    def authenticate(self, username: str, password: str) -> User | None:
        """Return the active user with this name (case counts) and password, or None."""
        user = _user(self._db.one("SELECT * FROM user WHERE username = ? AND is_active", username))
        right = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        return user if right else None

    def token(self, user: User) -> str:
        """Return the token of a user; the first call creates it."""
        with self._db.transaction():
            row = self._db.one("SELECT token FROM user WHERE id = ?", user.id)
            if row and row["token"]:
                return str(row["token"])
            key = secrets.token_hex(20)
            self._db.execute("UPDATE user SET token = ? WHERE id = ?", key, user.id)
            return key

    def authenticate_email(self, email: str, password: str) -> User | None:
        """Return the active user with this e-mail address and password, or None."""
        user = self.find_by_email(email)
        return self.authenticate(user.username, password) if user else None

    def find_by_token(self, key: str) -> User | None:
        """Return the user with this token, active or not, or None."""
        return _user(self._db.one("SELECT * FROM user WHERE token = ?", key))

    def delete_token(self, user: User) -> None:
        """Delete the token of a user, which all of the user's clients share."""
        self._db.execute("UPDATE user SET token = NULL WHERE id = ?", user.id)

    # -- sessions

    def open_session(self, user: User) -> Session:
        """Create a session, which also sets the time of the last login."""
        session = Session(secrets.token_hex(16), user.id, secrets.token_hex(32))
        self._db.execute("UPDATE user SET last_login = ? WHERE id = ?", now(), user.id)
        with self._lock:
            self._sessions[session.key] = session
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def find_by_session(self, key: str | None) -> User | None:
        """Return the active user of a session, or None."""
        session = self._sessions.get(key or "")
        user = self.get(session.user_id) if session else None
        return user if user and user.is_active else None

    def close_session(self, key: str | None) -> None:
        """End a session, if it exists."""
        with self._lock:
            self._sessions.pop(key or "", None)


def _user(row: sqlite3.Row | None) -> User | None:
    if row is None:
        return None
    values = {name: row[name] for name in row.keys() if name not in {"groups", "token"}}  # noqa: SIM118 - a Row
    flags = {name: bool(row[name]) for name in ("is_staff", "is_superuser", "is_active")}
    return User(**{**values, **flags, "groups": tuple(json.loads(row["groups"]))})
