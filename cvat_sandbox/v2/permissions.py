"""Checks of permissions: the relations of a user to an object, the space of the object, and what lists show.

The rules are in `cvat_sandbox.v2.rules`. The space is that of the object, whatever the request names, and for lists and
creations that of the request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.state import organizations
from cvat_sandbox.state.database import Database
from cvat_sandbox.state.users import User
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import RULES, Space, has_privilege, has_role, is_admin, is_allowed, privilege_of

_CONTAINERS = {f"{part} {name}": f"{part}_{name}" for part in ("task", "project") for name in ("owner", "assignee")}
COLUMNS: dict[str, Mapping[str, str]] = {
    "task": {"owner": "owner", "assignee": "assignee"},
    "project": {"owner": "owner", "assignee": "assignee"},
    "job": {"assignee": "assignee", **_CONTAINERS},
    "issue": {"owner": "owner", "assignee": "assignee", "job assignee": "job_assignee", **_CONTAINERS},
    "comment": {"owner": "owner", "issue owner": "issue_owner", "issue assignee": "issue_assignee",
                "job assignee": "job_assignee", **_CONTAINERS},
    "organization": {"owner": "owner"},
    "membership": {"self": "user_id"},
    "invitation": {"owner": "owner", "invitee": "user_id"},
    "cloud_storage": {"owner": "owner"},
    "webhook": {"owner": "owner"},
}  # fmt: skip
"""The relations to a kind of object, and the columns that hold the ids of their users."""

# -- checks


def check(request: OrganizationRequest, kind: str, action: str, row: sqlite3.Row) -> None:
    """Raise PermissionDenied unless the user may do something with an object."""
    if not can(request, kind, action, row):
        raise PermissionDenied


def can(request: OrganizationRequest, kind: str, action: str, row: sqlite3.Row) -> bool:
    """Return whether the user may do something with an object."""
    space = Space() if kind == "organization" else space_of(request, row["organization_id"])
    relations = relations_of(request.sandbox.db, request.user, kind, row)
    return is_allowed(request.user, RULES[kind, action], space, relations)


def check_creation(request: OrganizationRequest, kind: str, action: str = "create") -> None:
    """Raise PermissionDenied unless the user may create such an object in the space that the request names."""
    if not is_allowed(request.user, RULES[kind, action], request_space(request)):
        raise PermissionDenied


def check_founder(request: OrganizationRequest) -> None:
    """Raise PermissionDenied unless the user may create an organization, whatever the request names."""
    if not is_allowed(request.user, RULES["organization", "create"], Space()):
        raise PermissionDenied


def check_creation_in_project(request: OrganizationRequest, project: sqlite3.Row) -> None:
    """Raise PermissionDenied unless the user may see a project and create a task in it.

    Without an organization in the request, only who owns the project or is assigned to it may.
    """
    user, space = request.user, request_space(request)
    own = relations_of(request.sandbox.db, user, "project", project)
    in_task = {f"project {name}" for name in own}
    is_elsewhere = space.organization_id not in {None, project["organization_id"]} and not is_admin(user)
    allowed = is_allowed(user, RULES["task", "create in project"], space, in_task)
    if is_elsewhere or not (allowed and is_allowed(user, RULES["project", "view"], space, own)):
        raise PermissionDenied


def check_assignee(request: OrganizationRequest, user_id: Any, organization_id: int | None) -> None:
    """Raise PermissionDenied unless the user may give work to `user_id` (None takes it away).

    In an organization a member may give it to everybody, also to someone who is no member. What is no id crashes.
    """
    if not user_id:
        return
    try:
        relations = {"self"} if int(user_id) == request.user.id else set()
    except (TypeError, ValueError) as error:
        raise Crash(f"{type(error).__name__}: {error}") from error
    if not is_allowed(request.user, RULES["user", "view"], space_of(request, organization_id), relations):
        raise PermissionDenied


def check_fields(body: Any, known: Mapping[str, str]) -> set[str]:
    """Return the actions that the fields of a PATCH need; raises PermissionDenied for an unknown field."""
    fields = set(body) if isinstance(body, dict) else set()
    if fields - set(known):
        raise PermissionDenied("Attempted to update an unknown field")
    return {known[name] for name in fields}


def check_list(request: OrganizationRequest) -> None:
    """Raise PermissionDenied for a list in an organization of which the user is no member."""
    organization = request.organization
    if organization.id is not None and organization.role is None and not is_admin(request.user):
        raise PermissionDenied


# -- spaces


def space_of(request: OrganizationRequest, organization_id: int | None) -> Space:
    """Return the space of an object that belongs to an organization, or to none."""
    if organization_id is None:
        return Space()
    db, user = request.sandbox.db, request.user
    if organization_id not in request.roles:
        request.roles[organization_id] = organizations.role_of(db, organization_id, user.id)
    return _space(user, organizations.find(db, key=organization_id), request.roles[organization_id])


def request_space(request: OrganizationRequest) -> Space:
    """Return the space that the request names; without one the personal space."""
    return _space(request.user, request.organization.row, request.organization.role)


def _space(user: User, organization: sqlite3.Row | None, role: str | None) -> Space:
    if organization is None:
        return Space()
    return Space(organization["id"], role, role == "owner" and organization["owner"] == user.id)


# -- relations


def relations_of(db: Database, user: User, kind: str, row: sqlite3.Row) -> set[str]:
    """Return the relations of a user to an object."""
    own = {relation for relation, column in COLUMNS[kind].items() if row[column] == user.id}
    if kind in {"task", "webhook"} and row["project_id"] is not None:
        own |= _relations_to_project(db, user, row["project_id"])
    if kind == "job" and "assignee" in own and privilege_of(user) == "worker":
        own.add("assigned worker")
    if kind == "organization":
        own |= _relations_to_organization(db, user, row["id"])
    return own


def _relations_to_project(db: Database, user: User, project_id: int) -> set[str]:
    row = db.one("SELECT owner, assignee FROM project WHERE id = ?", project_id)
    return {f"project {name}" for name in ("owner", "assignee") if row is not None and row[name] == user.id}


def _relations_to_organization(db: Database, user: User, organization_id: int) -> set[str]:
    """Return the relations of a membership, also of one that is not active."""
    row = db.one("SELECT role FROM membership WHERE organization_id = ? AND user_id = ?", organization_id, user.id)
    return {"member", row["role"]} - {"owner"} if row else set()


# -- lists

_OWN = {
    "task": ("t.owner", "t.assignee"),
    "project": ("t.owner", "t.assignee"),
    "job": ("j.assignee", "t.owner", "t.assignee"),
    "issue": ("i.owner", "i.assignee", "j.assignee", "t.owner", "t.assignee"),
    "cloud_storage": ("t.owner",),
    "comment": ("c.owner", "i.owner", "i.assignee", "j.assignee", "t.owner", "t.assignee"),
    "webhook": ("t.owner", "(SELECT owner FROM project WHERE id = t.project_id)"),
}
"""The columns that hold the user's id where something is the user's own."""
IN_PROJECT = ("task", "job", "issue", "comment")
"""What may belong to a project; its owner and its assignee see it."""
_OWN_PROJECT = "t.project_id IN (SELECT id FROM project WHERE owner = ? OR assignee = ?)"


def visible(request: OrganizationRequest, kind: str) -> tuple[str, list[Any]]:
    """Return an SQL condition for the rows of a list, and its values. Raises PermissionDenied.

    The condition names the table `t` (task, project, …); for jobs also `j`, for issues and comments `i` and `c`.
    """
    check_list(request)
    organization, user = request.organization, request.user
    conditions: list[str] = []
    values: list[Any] = []
    if organization.id is not None:
        conditions, values = ["t.organization_id = ?"], [organization.id]
    elif organization.is_personal:
        conditions = ["t.organization_id IS NULL"]
    role = RULES[kind, "view"].role
    leads = role is not None and has_role(request_space(request), role) and has_privilege(user, "user")
    if not (leads or is_admin(user)):
        condition, own = _own(kind, user)
        conditions, values = [*conditions, f"({condition})"], [*values, *own]
    return " AND ".join(conditions) or "1", values


def _own(kind: str, user: User) -> tuple[str, list[Any]]:
    """Return the condition for what is a user's own. Each column is compared alone, so that its index serves."""
    terms = [f"{column} = ?" for column in _OWN[kind]]
    values = [user.id] * len(terms)
    if kind not in IN_PROJECT:
        return " OR ".join(terms), values
    return " OR ".join([*terms, _OWN_PROJECT]), [*values, user.id, user.id]


def viewable_tasks(user: User) -> tuple[str, list[Any]]:
    """Return an SQL condition for all tasks `t` that a user may view, in whatever space, and its values."""
    if is_admin(user):
        return "1", []
    member = "SELECT organization_id FROM membership WHERE user_id = ? AND is_active"
    own, values = _own("task", user)
    in_own_space = f"({own}) AND (t.organization_id IS NULL OR t.organization_id IN ({member}))"
    if not has_privilege(user, "user"):
        return in_own_space, [*values, user.id]
    leads = f"t.organization_id IN ({member} AND role IN ('owner', 'maintainer'))"
    return f"{leads} OR {in_own_space}", [user.id, *values, user.id]
