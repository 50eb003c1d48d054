"""The JSON of users, tasks and jobs. The number of queries does not depend on the number of objects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from cvat_sandbox.state import jobs, projects
from cvat_sandbox.state.database import Database
from cvat_sandbox.state.jobs import Summary
from cvat_sandbox.state.projects import Contents
from cvat_sandbox.state.users import User


def person_json(row: sqlite3.Row | User, root: str) -> dict[str, Any]:
    """Return the short JSON of a user, as owners and assignees are shown; `root` is the address of the server."""
    key, *names = (row.id, row.username, row.first_name, row.last_name) if isinstance(row, User) else (
        row["id"], row["username"], row["first_name"], row["last_name"]
    )  # fmt: skip
    return {"url": f"{root}/api/users/{key}", "id": key,
            **dict(zip(("username", "first_name", "last_name"), names, strict=True))}  # fmt: skip


def user_json(user: User, root: str) -> dict[str, Any]:
    """Return the full JSON of a user."""
    return {**person_json(user, root), "email": user.email, "groups": list(user.groups), "is_staff": user.is_staff,
            "is_superuser": user.is_superuser, "is_active": user.is_active, "last_login": user.last_login,
            "date_joined": user.date_joined, "has_analytics_access": user.is_superuser}  # fmt: skip


def people_json(db: Database, user_ids: Iterable[int | None], root: str) -> dict[int | None, dict[str, Any] | None]:
    """Return the short JSON of several users by id; None stands for nobody."""
    ids = json.dumps([key for key in set(user_ids) if key is not None])
    rows = db.all("SELECT * FROM user WHERE id IN (SELECT value FROM json_each(?))", ids)
    return {None: None, **{row["id"]: person_json(row, root) for row in rows}}


def rows_of(db: Database, table: str, ids: Sequence[int]) -> list[sqlite3.Row]:
    """Return the rows with these ids, in the order of the ids."""
    return several(db, f"SELECT * FROM {table}", "id", ids)  # noqa: S608 - the names are constants


def several(db: Database, select: str, key: str, ids: Sequence[int]) -> list[sqlite3.Row]:
    """Return the rows of a SELECT whose column `key` is one of the ids, in the order of the ids."""
    found = db.all(f"{select} WHERE {key} IN (SELECT value FROM json_each(?))", json.dumps(list(ids)))  # noqa: S608 - the names are constants
    rows = {row["id"]: row for row in found}
    return [rows[number] for number in ids if number in rows]


def storage_json(text: str | None) -> dict[str, Any] | None:
    """Return the JSON of a source or target storage."""
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


# -- tasks


def tasks_json(db: Database, rows: Sequence[sqlite3.Row], root: str) -> list[dict[str, Any]]:
    """Return the JSON of tasks."""
    people = people_json(db, [row[name] for row in rows for name in ("owner", "assignee")], root)
    summaries = jobs.summaries(db, [row["id"] for row in rows])
    data = {row["id"]: row for row in rows_of(db, "data", [row["data_id"] for row in rows if row["data_id"]])}
    project_names = _project_names(db, rows)
    return [
        {
            "url": f"{root}/api/tasks/{row['id']}", "id": row["id"], "name": row["name"],
            "project_id": row["project_id"], "project_name": project_names.get(row["project_id"]),
            "owner": people[row["owner"]], "assignee": people[row["assignee"]], "bug_tracker": row["bug_tracker"],
            "created_date": row["created_date"], "updated_date": row["updated_date"], "overlap": row["overlap"],
            "segment_size": row["segment_size"], "status": row["status"], "guide_id": None,
            **_data_json(data.get(row["data_id"])), "dimension": row["dimension"], "mode": row["mode"],
            "subset": row["subset"], "organization_id": row["organization_id"],
            "organization": row["organization_id"], "target_storage": storage_json(row["target_storage"]),
            "source_storage": storage_json(row["source_storage"]),
            "jobs": _summary_json(summaries.get(row["id"], Summary()), row["id"], root),
            "labels": {"url": f"{root}/api/labels?task_id={row['id']}"},
            "assignee_updated_date": row["assignee_updated_date"],
            "consensus_enabled": row["consensus_replicas"] > 0,
        }
        for row in rows
    ]  # fmt: skip


def _data_json(data: sqlite3.Row | None) -> dict[str, Any]:
    """Return what a task shows of its data: little without data, and hardly more before there are frames."""
    if data is None:
        return {"data": None, "media_type": "", "validation_mode": None}
    shown = {"data": data["id"], "size": data["size"], "data_cloud_storage_id": data["cloud_storage_id"],
             "validation_mode": data["validation_mode"], "media_type": "image" if data["size"] else ""}  # fmt: skip
    if not data["size"]:
        return shown
    return {**shown, "data_chunk_size": data["chunk_size"], "data_compressed_chunk_type": "imageset",
            "data_original_chunk_type": "imageset", "image_quality": data["image_quality"]}  # fmt: skip


def _summary_json(summary: Summary, task_id: int, root: str) -> dict[str, Any]:
    return {"count": summary.count, "completed": summary.completed, "validation": summary.validation,
            "url": f"{root}/api/jobs?task_id={task_id}"}  # fmt: skip


def _project_names(db: Database, rows: Sequence[sqlite3.Row]) -> dict[int, str]:
    ids = [row["project_id"] for row in rows if row["project_id"] is not None]
    return {row["id"]: row["name"] for row in rows_of(db, "project", ids)}


# -- projects


def projects_json(db: Database, rows: Sequence[sqlite3.Row], root: str) -> list[dict[str, Any]]:
    """Return the JSON of projects."""
    people = people_json(db, [row[name] for row in rows for name in ("owner", "assignee")], root)
    contents = projects.contents(db, [row["id"] for row in rows])
    return [
        {
            "url": f"{root}/api/projects/{row['id']}", "id": row["id"], "name": row["name"],
            "owner": people[row["owner"]], "assignee": people[row["assignee"]], "guide_id": None,
            "bug_tracker": row["bug_tracker"], "created_date": row["created_date"],
            "updated_date": row["updated_date"], "status": row["status"],
            **_contents_json(contents.get(row["id"], Contents()), row["id"], root),
            "organization": row["organization_id"], "organization_id": row["organization_id"],
            "target_storage": storage_json(row["target_storage"]),
            "source_storage": storage_json(row["source_storage"]),
            "labels": {"url": f"{root}/api/labels?project_id={row['id']}"},
            "assignee_updated_date": row["assignee_updated_date"],
        }
        for row in rows
    ]  # fmt: skip


def _contents_json(contents: Contents, project_id: int, root: str) -> dict[str, Any]:
    return {"dimension": contents.dimension, "task_subsets": list(contents.subsets),
            "tasks": {"count": contents.count, "url": f"{root}/api/tasks?project_id={project_id}"}}  # fmt: skip


# -- jobs


def jobs_json(
    db: Database, rows: Sequence[sqlite3.Row], root: str, *, hidden: frozenset[int] = frozenset()
) -> list[dict[str, Any]]:
    """Return the JSON of jobs, rows of `state.jobs.SELECT`.

    hidden: the ids of jobs whose task and project the user may not see; they are shown without its name.
    """
    people = people_json(db, [row["assignee"] for row in rows], root)
    data = {row["id"]: row for row in rows_of(db, "data", [row["data_id"] for row in rows if row["data_id"]])}
    ids = [row["id"] for row in rows]
    issues = counts(db, "issue", "job_id", ids)
    replicas = counts(db, "job", "parent_job_id", ids)
    return [
        {
            "url": f"{root}/api/jobs/{row['id']}", "id": row["id"], "task_id": row["task_id"],
            "task_name": None if row["id"] in hidden else row["task_name"], "project_id": row["project_id"],
            "project_name": None if row["id"] in hidden else row["project_name"],
            "assignee": people[row["assignee"]], "guide_id": None, "dimension": row["dimension"], "mode": row["mode"],
            "media_type": "image" if row["mode"] else "",
            "bug_tracker": row["bug_tracker"] or row["project_bug_tracker"], "status": row["status"],
            "stage": row["stage"], "state": row["state"], "frame_count": len(jobs.frames_of(row)),
            "start_frame": row["start_frame"], "stop_frame": row["stop_frame"],
            "data_chunk_size": data[row["data_id"]]["chunk_size"],
            "data_compressed_chunk_type": "imageset" if row["mode"] else "",
            "data_original_chunk_type": "imageset" if row["mode"] else "", "created_date": row["created_date"],
            "updated_date": row["updated_date"],
            "issues": {"url": f"{root}/api/issues?job_id={row['id']}", "count": issues.get(row["id"], 0)},
            "labels": {"url": f"{root}/api/labels?job_id={row['id']}"}, "type": row["type"],
            "organization": row["organization_id"], "target_storage": storage_json(row["target_storage"]),
            "source_storage": storage_json(row["source_storage"]),
            "assignee_updated_date": row["assignee_updated_date"], "parent_job_id": row["parent_job_id"],
            "replicas_count": replicas.get(row["id"], 0),
            "consensus_replicas": row["task_replicas"] if row["type"] == "annotation" else 0,
        }
        for row in rows
    ]  # fmt: skip


def counts(db: Database, table: str, column: str, ids: Sequence[int]) -> dict[int, int]:
    """Return how many rows of a table have each of the ids in a column; an id without rows is left out."""
    rows = db.all(
        f"SELECT {column} AS id, COUNT(*) AS count FROM {table} "  # noqa: S608 - the names are constants
        f"WHERE {column} IN (SELECT value FROM json_each(?)) GROUP BY {column}", json.dumps(list(ids)),
    )  # fmt: skip
    return {row["id"]: row["count"] for row in rows}
