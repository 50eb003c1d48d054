"""Which user may read or change which task or job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvat_sandbox.errors import Forbidden

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.state.users import User


def check_task(db: Database, user: User, task: sqlite3.Row, action: str) -> None:
    """Raise Forbidden unless `user` may `access`, `change` or `delete` the task."""
    owner, assignee = task["owner"] == user.id, task["assignee"] == user.id
    allowed = (
        user.is_in("admin")
        or owner
        or (action == "change" and assignee)
        or (action == "access" and (user.is_in("observer") or _annotates_task(db, user, task)))
    )
    if not allowed:
        raise Forbidden


def check_job(db: Database, user: User, job: sqlite3.Row, action: str) -> None:
    """Raise Forbidden unless `user` may `access` or `change` the job.

    Every user may do both to the jobs of a task that has no assignee.
    """
    task = db.one("SELECT owner, assignee FROM task WHERE id = ?", job["task_id"])
    assert task is not None
    allowed = (
        user.is_in("admin")
        or task["owner"] == user.id
        or task["assignee"] in (None, user.id)
        or job["assignee"] == user.id
        or (action == "access" and user.is_in("observer"))
    )
    if not allowed:
        raise Forbidden


def _annotates_task(db: Database, user: User, task: sqlite3.Row) -> bool:
    all_jobs = task["assignee"] in (None, user.id)
    sql = "SELECT 1 FROM job WHERE task_id = ? AND (? OR assignee = ?) LIMIT 1"
    return db.one(sql, task["id"], all_jobs, user.id) is not None


def visible_tasks(user: User) -> tuple[str, list[int]]:
    """Return an SQL condition for the tasks that a list shows to `user`, and its values.

    Admins and observers see all tasks. A superuser who is in neither group does not.
    """
    if "admin" in user.groups or "observer" in user.groups:
        return "1", []
    mine = "owner = ? OR assignee = ? OR assignee IS NULL OR id IN (SELECT task_id FROM job WHERE assignee = ?)"
    return f"({mine})", [user.id] * 3
