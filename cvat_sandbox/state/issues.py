"""Issues of jobs and the comments on them. Every change is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.database import now

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

_PLACE = """
j.assignee AS job_assignee, j.task_id, t.owner AS task_owner, t.assignee AS task_assignee, t.project_id,
t.organization_id, p.owner AS project_owner, p.assignee AS project_assignee
"""
SOURCE = "issue i JOIN job j ON j.id = i.job_id JOIN task t ON t.id = j.task_id"
_PROJECT = "LEFT JOIN project p ON p.id = t.project_id"
SELECT = f"SELECT i.*, {_PLACE} FROM {SOURCE} {_PROJECT}"  # noqa: S608 - the names are constants
"""Issues with who is involved in their jobs, tasks and projects."""
COMMENT_SOURCE = f"comment c JOIN issue i ON i.id = c.issue_id {SOURCE.removeprefix('issue i')}"
_ISSUE = "i.job_id, i.owner AS issue_owner, i.assignee AS issue_assignee"
SELECT_COMMENTS = f"SELECT c.*, {_ISSUE}, {_PLACE} FROM {COMMENT_SOURCE} {_PROJECT}"  # noqa: S608 - the names are constants
"""Comments with who is involved in their issues, jobs, tasks and projects."""


def find(db: Database, issue_id: int) -> sqlite3.Row | None:
    """Return an issue with the columns of `SELECT`, or None."""
    return db.one(f"{SELECT} WHERE i.id = ?", issue_id)


def find_comment(db: Database, comment_id: int) -> sqlite3.Row | None:
    """Return a comment with the columns of `SELECT_COMMENTS`, or None."""
    return db.one(f"{SELECT_COMMENTS} WHERE c.id = ?", comment_id)


def create(db: Database, job_id: int, owner: int, message: str, values: dict[str, Any]) -> int:
    """Create an issue whose first comment is `message`; return its id."""
    columns = {**values, "position": json.dumps(values["position"])}
    with db.transaction():
        key = db.insert("issue", job_id=job_id, owner=owner, created_date=now(), updated_date=now(), **columns)
        db.events.publish("create", "issue", key)
        create_comment(db, key, owner, message)
    return key


def change(db: Database, issue: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change columns of an issue, and publish the change."""
    changed = {**values, "updated_date": now()}
    if "position" in changed:
        changed["position"] = json.dumps(changed["position"])
    if changed.get("assignee", issue["assignee"]) != issue["assignee"]:
        changed["assignee_updated_date"] = now()
    db.update("issue", issue["id"], changed)
    db.events.publish("update", "issue", issue["id"], issue)


def delete(db: Database, issue: sqlite3.Row) -> None:
    """Publish the deletion of an issue and of its comments, and delete all of it."""
    with db.transaction():
        for comment in db.all("SELECT * FROM comment WHERE issue_id = ? ORDER BY id", issue["id"]):
            delete_comment(db, comment)
        db.events.publish("delete", "issue", issue["id"], issue)
        db.execute("DELETE FROM issue WHERE id = ?", issue["id"])


def create_comment(db: Database, issue_id: int, owner: int, message: str) -> int:
    """Create a comment on an issue; return its id."""
    key = db.insert("comment", issue_id=issue_id, owner=owner, message=message, created_date=now(), updated_date=now())
    db.events.publish("create", "comment", key)
    return key


def change_comment(db: Database, comment: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change the text of a comment, and publish the change."""
    db.update("comment", comment["id"], {**values, "updated_date": now()})
    db.events.publish("update", "comment", comment["id"], comment)


def delete_comment(db: Database, comment: sqlite3.Row) -> None:
    """Publish the deletion of a comment, and delete it."""
    db.events.publish("delete", "comment", comment["id"], comment)
    db.execute("DELETE FROM comment WHERE id = ?", comment["id"])
