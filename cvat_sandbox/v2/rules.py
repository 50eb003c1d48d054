"""Who may do what: a table of rules by kind of object and action, and how a rule is read, without a database.

A user has a privilege (admin, user, worker) and, in an organization, a role. To an object the user has relations, such
as "owner" or "task assignee" (`cvat_sandbox.v2.permissions` finds them). The personal space and an organization have
rules of their own. An admin may do everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cvat_sandbox.state import organizations
from cvat_sandbox.state.users import User

PRIVILEGES = ("admin", "user", "worker")

# -- relations

NOBODY: frozenset[str] = frozenset()
ANYONE = frozenset({"anyone"})
"""A relation that every user has to everything."""
SELF = frozenset({"self"})
OWNER = frozenset({"owner"})
PROJECT_OWNER = frozenset({"project owner"})
PROJECT_STAFF = frozenset({"project owner", "project assignee"})
TASK_OWNERS = PROJECT_STAFF | {"owner"}
TASK_STAFF = TASK_OWNERS | {"assignee"}
STORAGE_OWNERS = frozenset({"project owner", "owner"})
JOB_TASK_STAFF = PROJECT_STAFF | {"task owner", "task assignee"}
JOB_STAFF = JOB_TASK_STAFF | {"assignee"}
ASSIGNED_WORKER = frozenset({"assigned worker"})
"""The assignee of a job who has the privilege of a worker; an organization need not have this user as a member."""
ISSUE_ADMINS = JOB_TASK_STAFF | {"owner"}
ISSUE_STAFF = ISSUE_ADMINS | {"assignee", "job assignee"}
COMMENT_STAFF = JOB_TASK_STAFF | {"owner", "issue owner", "issue assignee", "job assignee"}


@dataclass(frozen=True)
class Rule:
    """Who may do something."""

    privilege: str = "worker"
    """The least privilege that a relation needs."""
    personal: frozenset[str] = NOBODY
    """In the personal space: one of these relations."""
    role: str | None = None
    """In an organization: a user (no worker) with this role or a more powerful one, see `has_role`, …"""
    member: frozenset[str] = NOBODY
    """… or a member with one of these relations, …"""
    member_role: str = "worker"
    """… who has at least this role, …"""
    outsider: frozenset[str] = NOBODY
    """… or someone with one of these relations who is no member."""


RULES: dict[tuple[str, str], Rule] = {
    ("task", "create"): Rule("user", ANYONE, "supervisor"),
    ("task", "create in project"): Rule("user", PROJECT_STAFF, "supervisor", PROJECT_STAFF),
    ("task", "view"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "update"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "annotate"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "export"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("task", "assign"): Rule("worker", TASK_OWNERS, "maintainer", TASK_OWNERS),
    ("task", "change storage"): Rule("worker", STORAGE_OWNERS, "maintainer", STORAGE_OWNERS),
    ("task", "create job"): Rule("user", TASK_STAFF, "maintainer", TASK_STAFF, "supervisor"),
    ("task", "delete"): Rule("worker", TASK_OWNERS, "maintainer", TASK_OWNERS),

    ("job", "view"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF, outsider=ASSIGNED_WORKER),
    ("job", "annotate"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF, outsider=ASSIGNED_WORKER),
    ("job", "create issue"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF),
    ("job", "update state"): Rule("worker", JOB_STAFF, "maintainer", JOB_STAFF, outsider=ASSIGNED_WORKER),
    ("job", "update"): Rule("worker", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("job", "export"): Rule("worker", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF),
    ("job", "delete"): Rule("user", JOB_TASK_STAFF, "maintainer", JOB_TASK_STAFF, "supervisor"),

    ("project", "create"): Rule("user", ANYONE, "supervisor"),
    ("project", "view"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("project", "update"): Rule("worker", TASK_STAFF, "staff", TASK_STAFF),
    ("project", "export"): Rule("worker", TASK_STAFF, "maintainer", TASK_STAFF),
    ("project", "assign"): Rule("worker", OWNER, "staff", OWNER),
    ("project", "change owner"): Rule("worker", NOBODY, "staff"),
    ("project", "change storage"): Rule("worker", OWNER, "staff", OWNER),
    ("project", "change organization"): Rule("worker", OWNER, "staff", OWNER),
    ("project", "delete"): Rule("worker", OWNER, "staff", OWNER),

    ("cloud_storage", "create"): Rule("user", ANYONE, "maintainer"),
    ("cloud_storage", "view"): Rule("worker", OWNER, "supervisor", OWNER),
    ("cloud_storage", "update"): Rule("worker", OWNER, "staff", OWNER),
    ("cloud_storage", "delete"): Rule("worker", OWNER, "staff", OWNER),

    ("webhook", "create in project"): Rule("worker", PROJECT_OWNER, "maintainer", PROJECT_OWNER),
    ("webhook", "create in organization"): Rule(role="maintainer"),
    ("webhook", "view"): Rule("worker", STORAGE_OWNERS, "maintainer", STORAGE_OWNERS),
    ("webhook", "update"): Rule("worker", STORAGE_OWNERS, "maintainer", STORAGE_OWNERS),

    ("issue", "view"): Rule("worker", ISSUE_STAFF, "maintainer", ISSUE_STAFF),
    ("issue", "update"): Rule("worker", ISSUE_STAFF, "maintainer", ISSUE_STAFF),
    ("issue", "comment"): Rule("worker", ISSUE_STAFF, "maintainer", ISSUE_STAFF),
    ("issue", "delete"): Rule("worker", ISSUE_ADMINS, "maintainer", ISSUE_ADMINS),
    ("comment", "view"): Rule("worker", COMMENT_STAFF, "maintainer", COMMENT_STAFF),
    ("comment", "update"): Rule("worker", COMMENT_STAFF, "maintainer", COMMENT_STAFF),
    ("comment", "delete"): Rule("worker", COMMENT_STAFF, "maintainer", COMMENT_STAFF),

    # An organization itself belongs to no organization: only the column of the personal space counts.
    ("organization", "create"): Rule("user", ANYONE),
    ("organization", "view"): Rule("worker", frozenset({"owner", "member"})),
    ("organization", "update"): Rule("worker", frozenset({"owner", "maintainer"})),
    ("organization", "delete"): Rule("worker", OWNER),

    # What happens to a membership depends on the role that it has, or that an invitation offers.
    ("membership", "view active"): Rule("worker", NOBODY, "staff", ANYONE),
    ("membership", "view inactive"): Rule("worker", NOBODY, "staff"),
    ("membership", "change owner"): Rule(),
    ("membership", "change maintainer"): Rule(role="owner"),
    ("membership", "change supervisor"): Rule(role="staff"),
    ("membership", "change worker"): Rule(role="staff"),
    ("membership", "delete owner"): Rule(),
    ("membership", "delete maintainer"): Rule("worker", NOBODY, "owner", SELF),
    ("membership", "delete supervisor"): Rule("worker", NOBODY, "staff", SELF),
    ("membership", "delete worker"): Rule("worker", NOBODY, "staff", SELF),
    ("invitation", "create owner"): Rule(),
    ("invitation", "create maintainer"): Rule(role="owner"),
    ("invitation", "create supervisor"): Rule(role="staff"),
    ("invitation", "create worker"): Rule(role="staff"),
    ("invitation", "view"): Rule(role="staff", outsider=frozenset({"owner", "invitee"})),
    ("invitation", "resend"): Rule(role="staff", outsider=OWNER),
    ("invitation", "delete"): Rule(role="staff", outsider=OWNER),
    ("invitation", "accept"): Rule(outsider=frozenset({"invitee"})),
    ("invitation", "decline"): Rule(outsider=frozenset({"invitee"})),

    ("user", "view"): Rule("worker", SELF, None, ANYONE, outsider=SELF),
    ("user", "update"): Rule("worker", SELF, None, SELF, outsider=SELF),
    ("user", "delete"): Rule("worker", SELF, None, SELF, outsider=SELF),
}  # fmt: skip
"""The rules by kind of object and action."""


@dataclass(frozen=True)
class Space:
    """Where an action takes place: the personal space, or an organization with the user's role in it."""

    organization_id: int | None = None
    role: str | None = None
    """The role of an active member; None for everyone else."""
    is_owner: bool = False
    """Whether the user owns the organization. A member who was given the role of an owner later does not."""


def is_admin(user: User) -> bool:
    """Return whether a user may do everything."""
    return user.is_superuser or "admin" in user.groups


def privilege_of(user: User) -> str | None:
    """Return the greatest privilege of a user, or None."""
    if is_admin(user):
        return "admin"
    return next((name for name in PRIVILEGES if name in user.groups), None)


def has_privilege(user: User, least: str) -> bool:
    """Return whether a user has a privilege or a greater one."""
    own = privilege_of(user)
    return own is not None and PRIVILEGES.index(own) <= PRIVILEGES.index(least)


def has_role(space: Space, least: str) -> bool:
    """Return whether the user's role is `least` or a more powerful one.

    `owner` means the one owner of the organization, `staff` this owner or a maintainer.
    """
    if least in {"owner", "staff"}:
        return space.is_owner or (least == "staff" and space.role == "maintainer")
    return space.role is not None and organizations.ROLES.index(space.role) <= organizations.ROLES.index(least)


def is_allowed(user: User, rule: Rule, space: Space, relations: Iterable[str] = ()) -> bool:
    """Return whether a user with these relations to an object may do what a rule is about."""
    if is_admin(user):
        return True
    own = {*relations, "anyone"} if has_privilege(user, rule.privilege) else set()
    if space.organization_id is None:
        return bool(own & rule.personal)
    if rule.role is not None and has_privilege(user, "user") and has_role(space, rule.role):
        return True
    return bool(own & rule.outsider) or (has_role(space, rule.member_role) and bool(own & rule.member))
