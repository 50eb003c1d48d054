"""Quality: the settings of tasks and projects, the reports and their conflicts, and the settings of consensus.

Settings come into being with their task or project: `keep_settings` listens for new ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Rejected
from cvat_sandbox.state.database import Database, now

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.events import Event

METRICS = ("accuracy", "precision", "recall")
POINT_SIZES = ("image_size", "group_bbox_size")
SETTINGS: Mapping[str, Any] = {
    "job_filter": "", "inherit": True, "target_metric": "accuracy", "target_metric_threshold": 0.7,
    "max_validations_per_job": 0, "iou_threshold": 0.4, "oks_sigma": 0.09, "point_size_base": "group_bbox_size",
    "line_thickness": 0.01, "low_overlap_threshold": 0.8, "compare_line_orientation": True,
    "line_orientation_threshold": 0.1, "compare_groups": True, "group_match_threshold": 0.5,
    "check_covered_annotations": True, "object_visibility_threshold": 0.05, "panoptic_comparison": True,
    "compare_attributes": True, "empty_is_annotated": False,
}  # fmt: skip
"""The quality settings of a new task or project."""
CONSENSUS_SETTINGS: Mapping[str, Any] = {"iou_threshold": 0.4}
NOT_READY = "Quality reports require a Ground Truth job in the task at the acceptance stage and in the completed state"


# -- settings


def keep_settings(db: Database) -> None:
    """Create the settings of each task and project from now on, and delete them and all reports with their owner."""

    def follow(event: Event) -> None:
        if event.kind not in {"task", "project"}:
            return
        if event.action == "create":
            _add_settings(db, event.kind, event.id)
        elif event.action == "delete":
            db.execute(f"DELETE FROM quality_settings WHERE {event.kind}_id = ?", event.id)  # noqa: S608 - the names are constants
            _delete_reports(db, f"{event.kind}_id = ?", event.id)

    db.events.subscribe(follow)


def _add_settings(db: Database, kind: str, key: int) -> None:
    created = now()
    db.insert("quality_settings", **{f"{kind}_id": key}, created_date=created, updated_date=created)
    task = db.one("SELECT consensus_replicas FROM task WHERE id = ?", key) if kind == "task" else None
    if task is not None and task["consensus_replicas"]:
        db.insert("consensus_settings", task_id=key)


def _delete_reports(db: Database, condition: str, *values: Any) -> None:
    chosen = f"SELECT id FROM quality_report WHERE {condition}"  # noqa: S608 - the names are constants
    db.execute(f"DELETE FROM quality_conflict WHERE report_id IN ({chosen})", *values)  # noqa: S608 - the names are constants
    for column in ("parent_id", "child_id"):
        db.execute(f"DELETE FROM quality_report_part WHERE {column} IN ({chosen})", *values)  # noqa: S608 - the names are constants
    db.execute(f"DELETE FROM quality_report WHERE {condition}", *values)  # noqa: S608 - the names are constants


def values_of(settings: sqlite3.Row, defaults: Mapping[str, Any] = SETTINGS) -> dict[str, Any]:
    """Return all values of settings."""
    return {**defaults, **json.loads(settings["values"])}


def change_settings(db: Database, settings: sqlite3.Row, values: Mapping[str, Any]) -> None:
    """Change quality settings."""
    kept = json.dumps({**json.loads(settings["values"]), **values})
    db.update("quality_settings", settings["id"], {"values": kept, "updated_date": now()})


@dataclass(frozen=True)
class Effective:
    """The settings that count for a task, and whether they are those of its project."""

    values: dict[str, Any]
    inherited: bool
    updated: str


def settings_for(db: Database, task: sqlite3.Row) -> Effective:
    """Return the settings that count for a task."""
    own = _settings(db, "task_id", task["id"])
    if own.values["inherit"] and task["project_id"] is not None:
        shared = _settings(db, "project_id", task["project_id"])
        return Effective(shared.values, inherited=True, updated=shared.updated)
    return own


def project_settings(db: Database, project_id: int) -> Effective:
    """Return the settings of a project."""
    return _settings(db, "project_id", project_id)


def _settings(db: Database, column: str, key: int) -> Effective:
    row = db.one(f"SELECT * FROM quality_settings WHERE {column} = ?", key)  # noqa: S608 - the names are constants
    values, updated = (values_of(row), row["updated_date"]) if row is not None else (dict(SETTINGS), "")
    return Effective(values, inherited=False, updated=updated)


def consensus_settings(db: Database, task_id: int) -> dict[str, Any]:
    """Return the consensus settings of a task."""
    row = db.one('SELECT "values" FROM consensus_settings WHERE task_id = ?', task_id)
    return {**CONSENSUS_SETTINGS, **(json.loads(row["values"]) if row is not None else {})}


# -- reports


@dataclass(frozen=True)
class NewReport:
    """A report to be stored. body: its JSON. summary: what lists show of it."""

    target: str
    body: Mapping[str, Any]
    summary: Mapping[str, Any]
    target_updated: str
    truth_updated: str | None
    project_id: int | None = None
    task_id: int | None = None
    job_id: int | None = None
    assignee: int | None = None


def ground_truth_job(db: Database, task_id: int) -> sqlite3.Row:
    """Return the accepted and completed ground truth job of a task. Raises Rejected."""
    row = db.one(
        "SELECT * FROM job WHERE task_id = ? AND type = 'ground_truth' AND stage = 'acceptance' "
        "AND state = 'completed'", task_id,
    )  # fmt: skip
    if row is None:
        raise Rejected(NOT_READY)
    return row


PARTS = """
SELECT child_id FROM quality_report_part WHERE parent_id = ? OR parent_id IN (
  SELECT child_id FROM quality_report_part WHERE parent_id = ?)
"""
"""The ids of all parts of a report, and of their parts. It takes the id of the report twice."""


def save_report(db: Database, report: NewReport, parent_id: int | None = None) -> int:
    """Store a report and return its id. The conflicts of a job's report become rows."""
    key = db.insert(
        "quality_report", parent_id=parent_id, project_id=report.project_id, task_id=report.task_id,
        job_id=report.job_id, target=report.target, assignee=report.assignee, gt_last_updated=report.truth_updated,
        target_last_updated=report.target_updated, summary=json.dumps(report.summary), body=json.dumps(report.body),
        created_date=now(),
    )  # fmt: skip
    if parent_id is not None:
        db.execute("INSERT INTO quality_report_part VALUES (?, ?)", parent_id, key)
    if report.target == "job":
        _save_conflicts(db, key, report.body["conflicts"])
    return key


def _save_conflicts(db: Database, report_id: int, conflicts: Iterable[Mapping[str, Any]]) -> None:
    rows = [
        (db.next_id("quality_conflict"), report_id, conflict["frame_id"], conflict["type"], conflict["severity"],
         json.dumps(conflict["annotation_ids"]))
        for conflict in conflicts
    ]  # fmt: skip
    db.execute_many(
        "INSERT INTO quality_conflict (id, report_id, frame, type, severity, annotations) VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )


def adopt_reports(db: Database, parent_id: int, children: Iterable[int]) -> None:
    """Make reports the parts of another one. They show the first report that they became a part of."""
    for child in children:
        db.execute("INSERT INTO quality_report_part VALUES (?, ?)", parent_id, child)
        db.execute("UPDATE quality_report SET parent_id = ? WHERE id = ? AND parent_id IS NULL", parent_id, child)


def latest_task_report(db: Database, task_id: int) -> sqlite3.Row | None:
    """Return the newest report on a task."""
    newest = "SELECT * FROM quality_report WHERE task_id = ? AND target = 'task' ORDER BY id DESC LIMIT 1"
    return db.one(newest, task_id)
