"""Tasks, segments and jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import NotFound
from cvat_sandbox.state import label_sets, labels
from cvat_sandbox.state.changes import Changes
from cvat_sandbox.state.database import Database, now
from cvat_sandbox.state.permissions import visible_tasks

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.users import User

STATUSES = ("annotation", "validation", "completed")
_CONTAINS = {
    "name": "icontains(name, ?)",
    "mode": "icontains(mode, ?)",
    "status": "icontains(status, ?)",
    "owner": "owner IN (SELECT id FROM user WHERE icontains(username, ?))",
    "assignee": "assignee IN (SELECT id FROM user WHERE icontains(username, ?))",
}


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks a list contains: those that match every field that is set."""

    id: int | None = None
    in_project: bool = False
    """The sandbox has no projects, so no task matches."""
    name: str = ""
    mode: str = ""
    status: str = ""
    owner: str = ""
    """A part of the owner's user name."""
    assignee: str = ""
    words: Sequence[str] = ()
    """Each must be part of the task's name, mode, status or owner."""


def get(db: Database, task_id: int) -> sqlite3.Row:
    """Return a task; raises NotFound."""
    row = db.one("SELECT * FROM task WHERE id = ?", task_id)
    if row is None:
        raise NotFound
    return row


def create(db: Database, values: dict[str, Any], wanted: list[dict[str, Any]]) -> int:
    """Create a task without data, with the labels `wanted`, and return its id.

    This is not one transaction: bad labels crash and leave the task behind.
    """
    created = now()
    task_id = db.insert("task", created_date=created, updated_date=now(), **values)
    labels.create(db, task_id, wanted)
    return task_id


def update(db: Database, task_id: int, values: dict[str, Any], changed: list[dict[str, Any]]) -> None:
    """Merge the labels `changed` into those of a task, then change its columns. This is not one transaction."""
    labels.merge(db, task_id, changed)
    for name, value in values.items():
        db.execute(f"UPDATE task SET {name} = ? WHERE id = ?", value, task_id)  # noqa: S608 - the names are constants


def create_with_labels(db: Database, values: dict[str, Any], wanted: list[dict[str, Any]]) -> int:
    """Create a task of 2.x without data, with the labels `wanted`; publish it and return its id. Raises Rejected."""
    with db.transaction():
        task_id = db.insert("task", created_date=now(), updated_date=now(), **values)
        label_sets.create(db, label_sets.Owner("task", task_id), wanted)
    db.events.publish("create", "task", task_id)
    _touch_project(db, values.get("project_id"))
    return task_id


def _touch_project(db: Database, project_id: int | None) -> None:
    """Note that a task of a project has changed: the project has a new date, and that change is published, too."""
    if project_id is not None:
        with Changes(db) as changes:
            changes.touch("project", project_id)


def change(db: Database, task: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change columns of a task of 2.x, and publish the change."""
    changed = {**values, "updated_date": now()}
    if values.get("assignee", task["assignee"]) != task["assignee"]:
        changed["assignee_updated_date"] = now()
    db.update("task", task["id"], changed)
    db.events.publish("update", "task", task["id"], task)
    _touch_project(db, task["project_id"])


def remove(db: Database, task: sqlite3.Row) -> None:
    """Publish the deletion of a task of 2.x and of its jobs, then delete it with all that belongs to it."""
    for job in db.all("SELECT * FROM job WHERE task_id = ? ORDER BY id DESC", task["id"]):
        db.events.publish("delete", "job", job["id"], job)
    db.events.publish("delete", "task", task["id"], task)
    issues = "SELECT id FROM issue WHERE job_id IN (SELECT id FROM job WHERE task_id = ?)"
    with db.transaction():
        db.execute(f"DELETE FROM comment WHERE issue_id IN ({issues})", task["id"])  # noqa: S608 - the names are constants
        db.execute(f"DELETE FROM issue WHERE id IN ({issues})", task["id"])  # noqa: S608 - the names are constants
        for table in ("upload", "server_file"):
            db.execute(f"DELETE FROM {table} WHERE data_id = ?", task["data_id"])  # noqa: S608 - the names are constants
        for table in ("quality_settings", "consensus_settings", "quality_report"):
            db.execute(f"DELETE FROM {table} WHERE task_id = ?", task["id"])  # noqa: S608 - the names are constants
        delete(db, task["id"])
    _touch_project(db, task["project_id"])


def delete(db: Database, task_id: int) -> None:
    """Delete a task with its labels, data, jobs and annotations."""
    with db.transaction():
        for kind in ("tag", "shape", "track"):
            db.execute(f"DELETE FROM {kind} WHERE job_id IN (SELECT id FROM job WHERE task_id = ?)", task_id)  # noqa: S608 - the names are constants
        db.execute("DELETE FROM attribute WHERE label_id IN (SELECT id FROM label WHERE task_id = ?)", task_id)
        db.execute("DELETE FROM frame WHERE data_id = (SELECT data_id FROM task WHERE id = ?)", task_id)
        db.execute("DELETE FROM data WHERE id = (SELECT data_id FROM task WHERE id = ?)", task_id)
        for table in ("job", "segment", "label", "creation"):
            db.execute(f"DELETE FROM {table} WHERE task_id = ?", task_id)  # noqa: S608 - the names are constants
        db.execute("DELETE FROM task WHERE id = ?", task_id)


def search(user: User, wanted: TaskFilter) -> tuple[str, list[Any]]:
    """Return an SQL condition for the tasks that `user` sees and `wanted` matches, and its values."""
    condition, values = visible_tasks(user)
    conditions: list[tuple[str, Sequence[Any]]] = [(condition, values)]
    if wanted.in_project:
        conditions.append(("0", ()))
    if wanted.id is not None:
        conditions.append(("id = ?", (wanted.id,)))
    conditions += [(sql, (part,)) for name, sql in _CONTAINS.items() if (part := getattr(wanted, name))]
    anywhere = f"({' OR '.join(_CONTAINS[name] for name in ('name', 'mode', 'status', 'owner'))})"
    conditions += [(anywhere, [word] * 4) for word in wanted.words]
    return " AND ".join(sql for sql, _ in conditions), [value for _, more in conditions for value in more]


def segments_of(db: Database, task_ids: list[int]) -> list[sqlite3.Row]:
    """Return the jobs of several tasks with the frames of their segments, ordered by segment."""
    return db.all(
        "SELECT s.task_id, s.id AS segment, s.start_frame, s.stop_frame, j.id, j.assignee, j.status "
        "FROM segment s JOIN job j ON j.segment_id = s.id "
        "WHERE s.task_id IN (SELECT value FROM json_each(?)) ORDER BY s.id, j.id", json.dumps(task_ids),
    )  # fmt: skip


def data_of(db: Database, task_ids: list[int]) -> list[sqlite3.Row]:
    """Return the data rows of several tasks, each with its `task_id`; a task without data has none."""
    return db.all(
        "SELECT t.id AS task_id, d.* FROM task t JOIN data d ON d.id = t.data_id "
        "WHERE t.id IN (SELECT value FROM json_each(?))", json.dumps(task_ids),
    )  # fmt: skip


# -- jobs


def get_job(db: Database, job_id: int) -> sqlite3.Row:
    """Return a job with the frames of its segment; raises NotFound."""
    row = db.one(
        "SELECT j.*, s.start_frame, s.stop_frame FROM job j JOIN segment s ON s.id = j.segment_id WHERE j.id = ?",
        job_id,
    )
    if row is None:
        raise NotFound
    return row


def jobs_of(db: Database, task_id: int) -> list[sqlite3.Row]:
    """Return the jobs of a task with the frames of their segments.

    The job that was changed last comes last, as PostgreSQL returns rows without an ORDER BY.
    """
    return db.all(
        "SELECT j.*, s.start_frame, s.stop_frame FROM job j JOIN segment s ON s.id = j.segment_id "
        "WHERE j.task_id = ? ORDER BY j.touched", task_id,
    )  # fmt: skip


def update_job(db: Database, job: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change the status or the assignee of a job, and update the status of its task."""
    with db.transaction():
        for name, value in values.items():
            db.execute(f"UPDATE job SET {name} = ? WHERE id = ?", value, job["id"])  # noqa: S608 - the names are constants
        db.execute("UPDATE job SET touched = ? WHERE id = ?", db.next_id("touch"), job["id"])
        update_status(db, job["task_id"])


def update_status(db: Database, task_id: int) -> None:
    """Set the status of a task to the earliest status of its jobs."""
    present = {row["status"] for row in db.all("SELECT DISTINCT status FROM job WHERE task_id = ?", task_id)}
    status = next((status for status in STATUSES if status in present), "completed")
    db.execute("UPDATE task SET status = ? WHERE id = ?", status, task_id)


def split(db: Database, task_id: int, size: int) -> None:
    """Divide `size` frames into segments with one job each. The segments of an earlier upload remain."""
    task = db.one("SELECT segment_size, overlap FROM task WHERE id = ?", task_id)
    if task is None:
        raise LookupError("Task matching query does not exist.")
    length = task["segment_size"] or size
    overlap = min(task["overlap"] or 0, length // 2)
    stride = (task["segment_size"] or sys.maxsize) - overlap
    for start in range(0, size, stride):
        stop = min(start + length, size) - 1
        segment = db.insert("segment", task_id=task_id, start_frame=start, stop_frame=stop)
        db.insert("job", segment_id=segment, task_id=task_id, touched=db.next_id("touch"))
    db.execute("UPDATE task SET mode = 'annotation', overlap = ? WHERE id = ?", overlap, task_id)
    update_status(db, task_id)
