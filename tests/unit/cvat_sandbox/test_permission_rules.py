"""The table of rules of 2.x: who may do what, read without a server."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from cvat_sandbox.state.users import User
from cvat_sandbox.v2.rules import RULES, Space, has_role, is_allowed, privilege_of

PERSONAL = Space()
OWNER = Space(1, "owner", is_owner=True)
LATER_OWNER = Space(1, "owner")
MAINTAINER, SUPERVISOR, WORKER, STRANGER = (Space(1, role) for role in ("maintainer", "supervisor", "worker", None))


def user(*groups: str, superuser: bool = False) -> User:
    return User(1, "u", "p", "", "", "", groups, superuser, superuser, True, None, "")


def allowed(kind: str, action: str, space: Space, relations: Iterable[str] = (), group: str = "user") -> bool:
    return is_allowed(user(group), RULES[kind, action], space, relations)


def test_the_greatest_group_is_the_privilege_and_a_superuser_is_an_admin() -> None:
    assert privilege_of(user("worker", "user")) == "user"
    assert privilege_of(user(superuser=True)) == "admin"
    assert privilege_of(user()) is None


@pytest.mark.parametrize(
    ("least", "who"),
    [
        ("owner", [OWNER]),
        ("staff", [OWNER, MAINTAINER]),
        ("maintainer", [OWNER, LATER_OWNER, MAINTAINER]),
        ("supervisor", [OWNER, LATER_OWNER, MAINTAINER, SUPERVISOR]),
        ("worker", [OWNER, LATER_OWNER, MAINTAINER, SUPERVISOR, WORKER]),
    ],
)
def test_who_became_an_owner_later_ranks_as_one_but_does_not_run_the_organization(least: str, who: list[Space]) -> None:
    every = [OWNER, LATER_OWNER, MAINTAINER, SUPERVISOR, WORKER, STRANGER]
    assert [space for space in every if has_role(space, least)] == who


def test_an_admin_may_do_everything() -> None:
    assert all(is_allowed(user("admin"), rule, space) for rule in RULES.values() for space in (PERSONAL, STRANGER))


def test_a_user_without_a_group_may_do_nothing_alone() -> None:
    assert not is_allowed(user(), RULES["task", "view"], PERSONAL, {"owner"})


def test_a_role_counts_only_for_who_has_more_than_the_privilege_of_a_worker() -> None:
    assert allowed("task", "view", MAINTAINER)
    assert not allowed("task", "view", MAINTAINER, group="worker")
    assert allowed("task", "view", MAINTAINER, {"owner"}, group="worker")


@pytest.mark.parametrize(
    ("action", "assignee", "task_owner", "maintainer"),
    [
        ("view", True, True, True),
        ("annotate", True, True, True),
        ("create issue", True, True, True),
        ("update state", True, True, True),
        ("update", False, True, True),
        ("export", False, True, True),
        ("delete", False, False, True),
    ],
)
def test_what_the_assignee_of_a_job_may_do(action: str, *, assignee: bool, task_owner: bool, maintainer: bool) -> None:
    """A worker of the organization who owns the task may not delete its jobs; a supervisor may."""
    assert allowed("job", action, WORKER, {"assignee"}) == assignee
    assert allowed("job", action, WORKER, {"task owner"}) == task_owner
    assert allowed("job", action, MAINTAINER) == maintainer
    assert allowed("job", action, SUPERVISOR, {"task owner"})
    assert not allowed("job", action, SUPERVISOR)
    assert not allowed("job", action, STRANGER, {"assignee"})


def test_an_assigned_worker_works_on_a_job_of_an_organization_without_being_a_member() -> None:
    assert allowed("job", "annotate", STRANGER, {"assignee", "assigned worker"}, group="worker")
    assert not allowed("job", "update", STRANGER, {"assignee", "assigned worker"}, group="worker")


@pytest.mark.parametrize(
    ("role", "who"),
    [("owner", []), ("maintainer", [OWNER]), ("supervisor", [OWNER, MAINTAINER]), ("worker", [OWNER, MAINTAINER])],
)
def test_who_invites_changes_and_removes_members_of_a_role(role: str, who: list[Space]) -> None:
    every = [OWNER, LATER_OWNER, MAINTAINER, SUPERVISOR, WORKER, STRANGER]
    actions = (("invitation", f"create {role}"), ("membership", f"change {role}"), ("membership", f"delete {role}"))
    for kind, action in actions:
        assert [space for space in every if allowed(kind, action, space)] == who, (kind, action)


def test_members_leave_and_the_owner_does_not() -> None:
    assert allowed("membership", "delete worker", WORKER, {"self"})
    assert allowed("membership", "delete maintainer", MAINTAINER, {"self"})
    assert not allowed("membership", "delete owner", OWNER, {"self"})


def test_a_project_in_the_personal_space_cannot_be_given_away() -> None:
    assert not allowed("project", "change owner", PERSONAL, {"owner"})
    assert allowed("project", "change owner", MAINTAINER)
