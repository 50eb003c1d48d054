"""Who may do what with tasks and jobs: CVAT's table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvat_sandbox.answers import Forbidden

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.accounts import User
    from cvat_sandbox.state import Store


def check_task(store: Store, user: User, task: sqlite3.Row, need: str) -> None:
    """Raise Forbidden unless `user` may `access`, `change` or `delete` the task."""
    owner, assignee = task["owner"] == user.id, task["assignee"] == user.id
    allowed = (
        user.may("admin")
        or owner
        or (need == "change" and assignee)
        or (need == "access" and (user.may("observer") or _annotates_task(store, user, task)))
    )
    if not allowed:
        raise Forbidden


def check_job(store: Store, user: User, job: sqlite3.Row, need: str) -> None:
    """Raise Forbidden unless `user` may `access` or `change` the job: it is theirs, or the task is nobody's."""
    task = store.one("SELECT owner, assignee FROM task WHERE id = ?", job["task_id"])
    assert task is not None
    allowed = (
        user.may("admin")
        or task["owner"] == user.id
        or task["assignee"] in (None, user.id)
        or job["assignee"] == user.id
        or (need == "access" and user.may("observer"))
    )
    if not allowed:
        raise Forbidden


def _annotates_task(store: Store, user: User, task: sqlite3.Row) -> bool:
    everybody = task["assignee"] in (None, user.id)
    sql = "SELECT 1 FROM job WHERE task_id = ? AND (? OR assignee = ?) LIMIT 1"
    return store.one(sql, task["id"], everybody, user.id) is not None


def visible_tasks(user: User) -> tuple[str, list[int]]:
    """A condition over `task` for lists, with its values: admins and observers see all of them."""
    if "admin" in user.groups or "observer" in user.groups:
        return "1", []
    mine = "owner = ? OR assignee = ? OR assignee IS NULL OR id IN (SELECT task_id FROM job WHERE assignee = ?)"
    return f"({mine})", [user.id] * 3
