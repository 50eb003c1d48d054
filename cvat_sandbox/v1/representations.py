"""The JSON of users, tasks and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cvat_sandbox.state import labels, tasks

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.state.users import User


def user_json(user: User, root: str, *, full: bool) -> dict[str, Any]:
    """Return the JSON of a user; `root` is the address of the server."""
    short = {"url": f"{root}/api/v1/users/{user.id}", "id": user.id, "username": user.username,
             "first_name": user.first_name, "last_name": user.last_name, "email": user.email}  # fmt: skip
    if not full:
        return short
    return {**short, "groups": list(user.groups), "is_staff": user.is_staff, "is_superuser": user.is_superuser,
            "is_active": user.is_active, "last_login": user.last_login, "date_joined": user.date_joined}  # fmt: skip


def tasks_json(db: Database, rows: list[sqlite3.Row], root: str) -> list[dict[str, Any]]:
    """Return the JSON of tasks. The number of queries does not depend on the number of tasks."""
    ids = [row["id"] for row in rows]
    all_labels, segments, data = labels.of_tasks(db, ids), _segments(db, ids, root), _data(db, ids)
    return [
        {
            "url": f"{root}/api/v1/tasks/{row['id']}", "id": row["id"], "name": row["name"], "mode": row["mode"],
            "owner": row["owner"], "assignee": row["assignee"], "bug_tracker": row["bug_tracker"],
            "created_date": row["created_date"], "updated_date": row["updated_date"], "overlap": row["overlap"],
            "segment_size": row["segment_size"], "z_order": bool(row["z_order"]), "status": row["status"],
            "labels": all_labels.get(row["id"], []), "segments": segments.get(row["id"], []), "project": None,
            **data.get(row["id"], {}),
        }
        for row in rows
    ]  # fmt: skip


def _segments(db: Database, task_ids: list[int], root: str) -> dict[int, list[dict[str, Any]]]:
    segments: dict[int, dict[int, dict[str, Any]]] = {}
    for row in tasks.segments_of(db, task_ids):
        segment = segments.setdefault(row["task_id"], {}).setdefault(
            row["segment"], {"start_frame": row["start_frame"], "stop_frame": row["stop_frame"], "jobs": []}
        )
        segment["jobs"].append({"url": f"{root}/api/v1/jobs/{row['id']}", "id": row["id"], "assignee": row["assignee"],
                                "status": row["status"]})  # fmt: skip
    return {task_id: list(found.values()) for task_id, found in segments.items()}


def _data(db: Database, task_ids: list[int]) -> dict[int, dict[str, Any]]:
    return {
        row["task_id"]: {
            "data_chunk_size": row["chunk_size"], "data_compressed_chunk_type": "imageset",
            "data_original_chunk_type": "imageset", "size": row["size"], "image_quality": row["image_quality"],
            "data": row["id"],
        }
        for row in tasks.data_of(db, task_ids)
    }  # fmt: skip


def job_json(job: sqlite3.Row, root: str) -> dict[str, Any]:
    """Return the JSON of a job."""
    return {
        "url": f"{root}/api/v1/jobs/{job['id']}", "id": job["id"], "assignee": job["assignee"], "status": job["status"],
        "start_frame": job["start_frame"], "stop_frame": job["stop_frame"], "task_id": job["task_id"],
    }  # fmt: skip
