"""Jobs of 2.x: the segments of a task, their types, stages and states, and the summaries of tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.database import Database, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

STAGES = ("annotation", "validation", "acceptance")
STATES = ("new", "in progress", "completed", "rejected")
TYPES = ("annotation", "ground_truth", "consensus_replica")

SELECT = """
SELECT j.*, s.start_frame, s.stop_frame, s.type AS segment_type, s.frames AS segment_frames,
  t.name AS task_name, t.owner AS task_owner, t.assignee AS task_assignee, t.project_id, t.organization_id, t.mode,
  t.dimension, t.bug_tracker, t.data_id, t.consensus_replicas AS task_replicas, p.name AS project_name,
  p.owner AS project_owner, p.assignee AS project_assignee, p.bug_tracker AS project_bug_tracker
FROM job j JOIN segment s ON s.id = j.segment_id JOIN task t ON t.id = j.task_id
LEFT JOIN project p ON p.id = t.project_id
"""
"""Jobs with what they show of their segment, task and project."""


def find(db: Database, job_id: int) -> sqlite3.Row | None:
    """Return a job with the columns of `SELECT`, or None."""
    return db.one(f"{SELECT} WHERE j.id = ?", job_id)


def several(db: Database, job_ids: list[int]) -> list[sqlite3.Row]:
    """Return jobs with the columns of `SELECT`, in the order of the ids."""
    chosen = " WHERE j.id IN (SELECT value FROM json_each(?))"
    rows = {row["id"]: row for row in db.all(SELECT + chosen, json.dumps(job_ids))}
    return [rows[key] for key in job_ids if key in rows]


def frames_of(job: sqlite3.Row) -> list[int]:
    """Return the numbers of the frames of a job within its task."""
    if job["segment_frames"] is not None:
        return [int(frame) for frame in json.loads(job["segment_frames"])]
    return list(range(job["start_frame"], job["stop_frame"] + 1))


@dataclass(frozen=True)
class Division:
    """How a task is divided: the length of a job, and how many frames two neighbours share."""

    segment_size: int
    overlap: int


def division_of(task: sqlite3.Row, size: int) -> Division:
    """Return the division of a task with `size` frames. No job is longer than the task."""
    length = min(task["segment_size"] or size, size)
    return Division(length, min(task["overlap"] or 0, length // 2))


def ranges(division: Division, size: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last frame of each job."""
    for start in range(0, max(1, size - division.overlap), max(1, division.segment_size - division.overlap)):
        yield start, min(start + division.segment_size, size) - 1


def create(db: Database, task_id: int, start: int, stop: int, **values: Any) -> int:
    """Insert a segment with its job and publish the job. values: columns of the job, and `frames` of the segment."""
    frames = values.pop("frames", None)
    segment = db.insert(
        "segment", task_id=task_id, start_frame=start, stop_frame=stop,
        type="range" if frames is None else "specific_frames", frames=None if frames is None else json.dumps(frames),
    )  # fmt: skip
    return insert_job(db, task_id, segment, **values)


def create_with_replicas(db: Database, task_id: int, start: int, stop: int, replicas: int) -> None:
    """Insert a segment with an annotation job and its consensus replicas, and publish them."""
    parent = create(db, task_id, start, stop)
    segment = db.count("SELECT segment_id FROM job WHERE id = ?", parent)
    for _ in range(replicas):
        insert_job(db, task_id, segment, type="consensus_replica", parent_job_id=parent)


def insert_job(db: Database, task_id: int, segment: int, **values: Any) -> int:
    """Insert a job of a segment that exists, and publish the change."""
    key = db.insert(
        "job", segment_id=segment, task_id=task_id, touched=db.next_id("touch"), created_date=now(),
        updated_date=now(), **values,
    )  # fmt: skip
    db.events.publish("create", "job", key)
    return key


def update(db: Database, job: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change the stage, the state or the assignee of a job; update the status of its task, and publish the change.

    A new stage without a state makes the state `new`.
    """
    changed = dict(values)
    if "assignee" in changed and changed["assignee"] != job["assignee"]:
        changed["assignee_updated_date"] = now()
    if changed.get("stage", job["stage"]) != job["stage"]:
        changed.setdefault("state", "new")
    stage, state = (changed.get(name, job[name]) for name in ("stage", "state"))
    changed |= {"status": status_of(stage, state), "updated_date": now(), "touched": db.next_id("touch")}
    with db.transaction():
        db.update("job", job["id"], changed)
        update_task_status(db, job["task_id"])
    db.events.publish("update", "job", job["id"], job)


def status_of(stage: str, state: str) -> str:
    """Return the status of the first API that stands for a stage and a state."""
    if stage == "acceptance":
        return "completed" if state == "completed" else "validation"
    return stage


def update_task_status(db: Database, task_id: int) -> None:
    """Set the status of a task, and publish the change.

    It is completed when all of its jobs are, and validation when none is being annotated.
    """
    present = {row["status"] for row in db.all("SELECT DISTINCT status FROM job WHERE task_id = ?", task_id)}
    status = next((status for status in ("annotation", "validation", "completed") if status in present), "annotation")
    task = db.one("SELECT * FROM task WHERE id = ? AND status != ?", task_id, status)
    if task is not None:
        db.update("task", task_id, {"status": status, "updated_date": now()})
        db.events.publish("update", "task", task_id, task)


def delete(db: Database, job: sqlite3.Row) -> None:
    """Publish the deletion of a job and delete it with its annotations and issues."""
    db.events.publish("delete", "job", job["id"], job)
    with db.transaction():
        for kind in ("tag", "shape", "track", "interval"):
            db.execute(f"DELETE FROM {kind} WHERE job_id = ?", job["id"])  # noqa: S608 - the names are constants
        db.execute("DELETE FROM comment WHERE issue_id IN (SELECT id FROM issue WHERE job_id = ?)", job["id"])
        db.execute("DELETE FROM issue WHERE job_id = ?", job["id"])
        db.execute("DELETE FROM job WHERE id = ?", job["id"])


@dataclass(frozen=True)
class Summary:
    """The numbers of jobs of a task."""

    count: int = 0
    completed: int = 0
    """Accepted and completed."""
    validation: int = 0
    """At the stage validation."""


def summaries(db: Database, task_ids: Iterable[int]) -> dict[int, Summary]:
    """Return the summaries of the jobs of several tasks; a task without jobs has none."""
    rows = db.all(
        "SELECT task_id, COUNT(*) AS count, SUM(stage = 'acceptance' AND state = 'completed') AS completed, "
        "SUM(stage = 'validation') AS validation FROM job WHERE task_id IN (SELECT value FROM json_each(?)) "
        "GROUP BY task_id", json.dumps(list(task_ids)),
    )  # fmt: skip
    return {row["task_id"]: Summary(row["count"], row["completed"], row["validation"]) for row in rows}
