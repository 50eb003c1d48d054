"""Reads snapshots of CVAT 2.x from the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cvat_sandbox.formats.v2.snapshot import (
    AttributeSpec,
    Frame,
    Label,
    Person,
    Project,
    Segment,
    Snapshot,
    TaskContent,
)
from cvat_sandbox.state import jobs, labeled_data
from cvat_sandbox.state.media import frame_step

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

Target = Literal["task", "job", "project"]


def read_snapshot(db: Database, target: Target, key: int, host: str, folder: Path) -> Snapshot:
    """Read a task, job or project; `folder` contains the data folders.

    Raises LookupError if it is gone, and AttributeError, as CVAT does, for a task without data.
    """
    with db.transaction():
        if target == "project":
            return _project(db, key, host, folder)
        job = jobs.find(db, key) if target == "job" else None
        task_id = job["task_id"] if job else key
        task = db.one("SELECT * FROM task WHERE id = ?", task_id)
        if task is None or (target == "job" and job is None):
            raise LookupError(f"{target.capitalize()} matching query does not exist.")
        return Snapshot(target, _labels(db, task), [_content(db, task, folder, job)], host)


def _project(db: Database, key: int, host: str, folder: Path) -> Snapshot:
    row = db.one("SELECT * FROM project WHERE id = ?", key)
    if row is None:
        raise LookupError("Project matching query does not exist.")
    sql = "SELECT * FROM task WHERE project_id = ? AND data_id IS NOT NULL ORDER BY subset, id"
    contents = [_content(db, task, folder) for task in db.all(sql, key)]
    project = Project(key, row["name"], row["bug_tracker"], row["created_date"], row["updated_date"],
                      _person(db, row["owner"]), _person(db, row["assignee"]))  # fmt: skip
    return Snapshot("project", _labels_of(db, "project_id", key), contents, host, project)


def _person(db: Database, key: int | None) -> Person | None:
    row = db.one("SELECT username, email FROM user WHERE id = ?", key)
    return Person(row["username"], row["email"]) if row else None


def _labels(db: Database, task: sqlite3.Row) -> list[Label]:
    if task["project_id"] is not None:
        return _labels_of(db, "project_id", task["project_id"])
    return _labels_of(db, "task_id", task["id"])


def _labels_of(db: Database, column: str, key: int) -> list[Label]:
    chosen = f"SELECT id FROM label WHERE {column} = ?"  # noqa: S608 - the names are constants
    attributes: dict[int, list[AttributeSpec]] = {}
    for row in db.all(f"SELECT * FROM attribute WHERE label_id IN ({chosen}) ORDER BY id", key):  # noqa: S608
        values = row["values"].split("\n")
        spec = AttributeSpec(row["id"], row["name"], bool(row["mutable"]), row["input_type"], row["default_value"],
                             values)  # fmt: skip
        attributes.setdefault(row["label_id"], []).append(spec)
    rows = db.all(f"SELECT * FROM label WHERE {column} = ? ORDER BY id", key)  # noqa: S608 - the names are constants
    return [
        Label(row["id"], row["name"], row["color"], row["type"], attributes.get(row["id"], []),
              row["parent_id"] or None, row["svg"])
        for row in rows
    ]  # fmt: skip


def _content(db: Database, task: sqlite3.Row, folder: Path, job: sqlite3.Row | None = None) -> TaskContent:
    data = db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
    if data is None:
        raise AttributeError("'NoneType' object has no attribute 'validation_mode'")
    step, first = frame_step(data["frame_filter"]), data["start_frame"]
    start, stop = (job["start_frame"], job["stop_frame"]) if job else (0, max(0, data["size"] - 1))
    chosen = jobs.frames_of(job) if job else range(data["size"])
    return TaskContent(
        id=job["id"] if job else task["id"], name=task["name"], size=len(chosen), mode=task["mode"],
        overlap=task["overlap"] or 0, bug_tracker=task["bug_tracker"], created=task["created_date"],
        updated=task["updated_date"], subset=task["subset"], start_frame=first + start * step,
        stop_frame=first + stop * step, frame_filter=data["frame_filter"], segments=_segments(db, task, job),
        owner=_person(db, task["owner"]), assignee=_person(db, (job or task)["assignee"]),
        frames=_frames(db, data, set(chosen), folder, with_copies=job is not None),
        annotations=labeled_data.read_job(db, job["id"]) if job else labeled_data.read_task(db, task["id"]),
        first_frame=first, step=step,
    )  # fmt: skip


def _segments(db: Database, task: sqlite3.Row, job: sqlite3.Row | None) -> list[Segment]:
    """Return the segment of a job, or those of a task; jobs of chosen frames are none of the task's."""
    condition, key = ("j.id = ?", job["id"]) if job else ("j.task_id = ? AND j.type = 'annotation'", task["id"])
    sql = "SELECT s.id, s.start_frame, s.stop_frame, j.id AS job_id FROM job j JOIN segment s ON s.id = j.segment_id"
    return [Segment(*row) for row in db.all(f"{sql} WHERE {condition} ORDER BY s.id", key)]


def _frames(db: Database, data: sqlite3.Row, chosen: set[int], folder: Path, *, with_copies: bool) -> dict[int, Frame]:
    """Return the frames of a task or job without deleted ones; a task is exported without copies of its frames."""
    step, raw = frame_step(data["frame_filter"]), folder / str(data["id"]) / "raw"
    chosen = chosen - set(json.loads(data["deleted_frames"]))
    rows = db.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])
    return {
        row["frame"]: _frame(row, data["start_frame"] + row["frame"] * step, raw)
        for row in rows if row["frame"] in chosen and (with_copies or not _is_copy(row))
    }  # fmt: skip


def _is_copy(row: sqlite3.Row) -> bool:
    return row["real_frame"] is not None and row["real_frame"] != row["frame"]


def _frame(row: sqlite3.Row, number: int, raw: Path) -> Frame:
    size: tuple[Any, Any] = row["width"], row["height"]
    return Frame(number, row["path"], *size, raw / row["file"])
