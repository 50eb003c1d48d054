"""Who may do what: rules by kind of object and action.

A user has a privilege (admin, user, worker) and, in an organization, a role. To an object the user has relations: owner
or assignee of it or of what contains it. An admin may do everything. The personal space and an organization have
rules of their own; the space is that of the object, whatever the request names, and for lists and creations that of
the request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.state import organizations
from cvat_sandbox.state.database import Database
from cvat_sandbox.state.users import User
from cvat_sandbox.v2.request import OrganizationRequest

PRIVILEGES = ("admin", "user", "worker")
NOBODY: frozenset[str] = frozenset()
ANYONE = frozenset({"anyone"})
"""A relation that every user has to everything."""
PROJECT_STAFF = frozenset({"project owner", "project assignee"})
TASK_STAFF = PROJECT_STAFF | {"owner", "assignee"}
TASK_OWNERS = PROJECT_STAFF | {"owner"}
JOB_TASK_STAFF = PROJECT_STAFF | {"task owner", "task assignee"}
JOB_STAFF = JOB_TASK_STAFF | {"assignee"}


@dataclass(frozen=True)
class Rule:
    """Who may do something."""

    privilege: str = "worker"
    """The least privilege that it needs."""
    personal: frozenset[str] = NOBODY
    """In the personal space: one of these relations."""
    role: str = "owner"
    """In an organization: this role or a more powerful one, …"""
    member: frozenset[str] = NOBODY
    """… or any member with one of these relations."""


RULES: dict[tuple[str, str], Rule] = {
    ("task", "create"): Rule("user", ANYONE, "supervisor"),
    ("task", "view"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "update"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "assign"): Rule("worker", TASK_OWNERS, "maintainer", TASK_OWNERS),
    ("task", "delete"): Rule("worker", TASK_OWNERS, "maintainer", TASK_OWNERS),
    ("task", "annotate"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "export"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("job", "view"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF),
    ("job", "update state"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF),
    ("job", "update"): Rule("worker", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("job", "annotate"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF),
    ("job", "export"): Rule("worker", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("job", "create"): Rule("user", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("job", "delete"): Rule("worker", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("project", "create"): Rule("user", ANYONE, "supervisor"),
    ("project", "view"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("project", "update"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("project", "assign"): Rule("worker", frozenset({"owner"}), "maintainer", frozenset({"owner"})),
    ("project", "delete"): Rule("worker", frozenset({"owner"}), "maintainer", frozenset({"owner"})),
    ("project", "export"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("user", "view"): Rule("worker", frozenset({"self"}), "worker", ANYONE),
    ("user", "update"): Rule("worker", frozenset({"self"}), "owner", frozenset({"self"})),
    ("user", "delete"): Rule("worker", frozenset({"self"}), "owner", frozenset({"self"})),
}  # fmt: skip
"""The rules by kind of object and action. Later modules add theirs."""


@dataclass(frozen=True)
class Space:
    """Where an action takes place: the personal space, or an organization with the user's role in it."""

    organization_id: int | None = None
    role: str | None = None


def is_admin(user: User) -> bool:
    """Return whether a user may do everything."""
    return user.is_superuser or "admin" in user.groups


def has_privilege(user: User, least: str) -> bool:
    """Return whether a user has a privilege or a greater one."""
    own = [rank for rank, name in enumerate(PRIVILEGES) if name in user.groups or (rank == 0 and is_admin(user))]
    return bool(own) and min(own) <= PRIVILEGES.index(least)


def has_role(role: str | None, least: str) -> bool:
    """Return whether a role is `least` or a more powerful one."""
    return role is not None and organizations.ROLES.index(role) <= organizations.ROLES.index(least)


def is_allowed(user: User, rule: Rule, space: Space, relations: Iterable[str] = ()) -> bool:
    """Return whether a user with these relations to an object may do what a rule is about."""
    if is_admin(user):
        return True
    if not has_privilege(user, rule.privilege):
        return False
    own = {*relations, "anyone"}
    if space.organization_id is None:
        return bool(own & rule.personal)
    return has_role(space.role, rule.role) or (space.role is not None and bool(own & rule.member))


def space_of(request: OrganizationRequest, organization_id: int | None) -> Space:
    """Return the space of an object that belongs to an organization, or to none."""
    if organization_id is None:
        return Space()
    role = organizations.role_of(request.sandbox.db, organization_id, request.user.id)
    return Space(organization_id, role)


def request_space(request: OrganizationRequest) -> Space:
    """Return the space that the request names; without one the personal space."""
    return Space(request.organization.id, request.organization.role)


def check(request: OrganizationRequest, kind: str, action: str, row: sqlite3.Row) -> None:
    """Raise PermissionDenied unless the user may do something with a task, job or project."""
    relations = RELATIONS[kind](request.sandbox.db, request.user, row)
    space = space_of(request, row["organization_id"])
    if not is_allowed(request.user, RULES[kind, action], space, relations):
        raise PermissionDenied


def check_creation(request: OrganizationRequest, kind: str) -> None:
    """Raise PermissionDenied unless the user may create such an object in the space that the request names."""
    if not is_allowed(request.user, RULES[kind, "create"], request_space(request)):
        raise PermissionDenied


def check_assignee(request: OrganizationRequest, user_id: int | None, organization_id: int | None) -> None:
    """Raise PermissionDenied unless the user may give work to `user_id` (None takes it away)."""
    if user_id is None:
        return
    relations = {"self"} if user_id == request.user.id else set()
    if not is_allowed(request.user, RULES["user", "view"], space_of(request, organization_id), relations):
        raise PermissionDenied


def check_list(request: OrganizationRequest) -> None:
    """Raise PermissionDenied for a list in an organization of which the user is no member."""
    organization = request.organization
    if organization.id is not None and organization.role is None and not is_admin(request.user):
        raise PermissionDenied


# -- relations


def task_relations(db: Database, user: User, task: sqlite3.Row) -> set[str]:
    """Return the relations of a user to a task."""
    own = {name for name in ("owner", "assignee") if task[name] == user.id}
    return own | project_part(db, user, task["project_id"])


def job_relations(db: Database, user: User, job: sqlite3.Row) -> set[str]:
    """Return the relations of a user to a job, a row of `state.jobs.SELECT`."""
    own = {"assignee"} if job["assignee"] == user.id else set()
    own |= {f"task {name}" for name in ("owner", "assignee") if job[f"task_{name}"] == user.id}
    return own | project_part(db, user, job["project_id"])


def project_relations(_db: Database, user: User, project: sqlite3.Row) -> set[str]:
    """Return the relations of a user to a project."""
    return {name for name in ("owner", "assignee") if project[name] == user.id}


def project_part(db: Database, user: User, project_id: int | None) -> set[str]:
    """Return the relations of a user to what belongs to a project."""
    row = db.one("SELECT owner, assignee FROM project WHERE id = ?", project_id) if project_id is not None else None
    return {f"project {name}" for name in ("owner", "assignee") if row is not None and row[name] == user.id}


RELATIONS = {"task": task_relations, "job": job_relations, "project": project_relations}


# -- lists

_TASK_MINE = "{t}.owner = ? OR {t}.assignee = ?"
_PROJECT_MINE = "{t}.project_id IN (SELECT id FROM project WHERE owner = ? OR assignee = ?)"
_MINE = {
    "task": (f"{_TASK_MINE} OR {_PROJECT_MINE}".format(t="t"), 4),
    "job": (f"j.assignee = ? OR {_TASK_MINE} OR {_PROJECT_MINE}".format(t="t"), 5),
    "project": (_TASK_MINE.format(t="t"), 2),
}
"""The condition for what is a user's own, and how often it contains the user's id."""


def visible(request: OrganizationRequest, kind: str) -> tuple[str, list[Any]]:
    """Return an SQL condition for the rows of a list, and its values. Raises PermissionDenied.

    The condition names the table `t`; for jobs the job `j` and its task `t`.
    """
    check_list(request)
    organization, user = request.organization, request.user
    conditions: list[str] = []
    values: list[Any] = []
    if organization.id is not None:
        conditions, values = ["t.organization_id = ?"], [organization.id]
    elif organization.is_personal:
        conditions = ["t.organization_id IS NULL"]
    sees_all = is_admin(user) or (has_role(organization.role, "maintainer") and has_privilege(user, "user"))
    if not sees_all:
        condition, times = _MINE[kind]
        conditions, values = [*conditions, f"({condition})"], [*values, *[user.id] * times]
    return " AND ".join(conditions) or "1", values
