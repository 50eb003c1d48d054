"""Tasks and jobs: rows, their JSON, and changes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cvat_sandbox import labels
from cvat_sandbox.answers import NotFound
from cvat_sandbox.fields import LARGEST_ID, Choice, Flag, Invalid, Object, Reference, Text, Whole
from cvat_sandbox.permissions import visible_tasks
from cvat_sandbox.state import Store, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from cvat_sandbox.accounts import Accounts, User

STATUSES = ("annotation", "validation", "completed")
ORDERS = ("id", "name", "owner", "status", "assignee")


def key(pk: str) -> int:
    """The number in a path; NotFound when it is none, or larger than any id."""
    try:
        number = int(pk)
    except ValueError:
        raise NotFound from None
    if abs(number) > LARGEST_ID:
        raise NotFound
    return number


def task(store: Store, pk: str) -> sqlite3.Row:
    """The task of a path; NotFound."""
    row = store.one("SELECT * FROM task WHERE id = ?", key(pk))
    if row is None:
        raise NotFound
    return row


def job(store: Store, pk: str) -> sqlite3.Row:
    """The job of a path, with the frames of its segment; NotFound."""
    row = store.one(
        "SELECT j.*, s.start_frame, s.stop_frame FROM job j JOIN segment s ON s.id = j.segment_id WHERE j.id = ?",
        key(pk),
    )
    if row is None:
        raise NotFound
    return row


# -- tasks


def _fields(accounts: Accounts, *, new: bool) -> Object:
    sizes = {
        name: Whole(least=0, most=LARGEST_ID, required=False, null=name == "overlap")
        for name in ("overlap", "segment_size")
    }
    return Object({
        "name": Text(longest=256),
        "owner": Reference(accounts.exists, null=True, required=False),
        "assignee": Reference(accounts.exists, null=True, required=False),
        "bug_tracker": Text(longest=2000, blank=True, required=False),
        **(sizes if new else {}),
        "z_order": Flag(required=False),
        "labels": labels.label_list(),
        "project": Reference(lambda _: False, null=True, required=False),
    })  # fmt: skip


def create(store: Store, accounts: Accounts, body: Any, *, form: bool, by: User) -> int:
    """A new task without data; its id. Not one transaction: bad labels crash and leave the task behind."""
    clean = _fields(accounts, new=True).run(body, form=form)
    if not (isinstance(body, dict) and body.get("owner")):
        clean["owner"] = by.id
    wanted, moment = clean.pop("labels"), now()
    clean.pop("project", None)
    task_id = store.insert("task", created_date=moment, updated_date=now(), **clean)
    labels.create(store, task_id, wanted)
    return task_id


def change(store: Store, accounts: Accounts, row: sqlite3.Row, body: Any, *, form: bool, partial: bool) -> None:
    """PATCH and PUT: the labels are merged first, then the rest is written."""
    clean = _fields(accounts, new=False).run(body, form=form, partial=partial)
    labels.merge(store, row["id"], clean.pop("labels", []))
    clean.pop("project", None)
    for name, value in clean.items():
        store.run(f"UPDATE task SET {name} = ? WHERE id = ?", value, row["id"])  # noqa: S608 - names of our own


def delete(store: Store, task_id: int) -> None:
    """Remove a task with all that hangs on it."""
    with store.transaction():
        for kind in ("tag", "shape", "track"):
            store.run(f"DELETE FROM {kind} WHERE job_id IN (SELECT id FROM job WHERE task_id = ?)", task_id)  # noqa: S608 - names of our own
        store.run("DELETE FROM attribute WHERE label_id IN (SELECT id FROM label WHERE task_id = ?)", task_id)
        store.run("DELETE FROM frame WHERE data_id = (SELECT data_id FROM task WHERE id = ?)", task_id)
        store.run("DELETE FROM data WHERE id = (SELECT data_id FROM task WHERE id = ?)", task_id)
        for table in ("job", "segment", "label", "creation"):
            store.run(f"DELETE FROM {table} WHERE task_id = ?", task_id)  # noqa: S608 - names of our own
        store.run("DELETE FROM task WHERE id = ?", task_id)


def search(user: User, query: Mapping[str, str]) -> tuple[str, list[Any], str]:
    """The condition, its values and the order of the task list for a query; Invalid for bad filters."""
    condition, values = visible_tasks(user)
    conditions, arguments = [condition], list(values)

    def also(sql: str, *more: Any) -> None:
        conditions.append(sql)
        arguments.extend(more)

    if query.get("project_id", "").strip():
        raise Invalid({"project_id": ["Select a valid choice. That choice is not one of the available choices."]})
    if query.get("project", "").strip():
        also("0")
    if query.get("id", "").strip():
        also("id = ?", _number(query["id"].strip()))
    for name in ("name", "mode", "status"):
        if part := query.get(name, "").strip():
            also(f"icontains({name}, ?)", part)
    for name in ("owner", "assignee"):
        if part := query.get(name, "").strip():
            also(f"{name} IN (SELECT id FROM user WHERE icontains(username, ?))", part)  # noqa: S608 - names of our own
    for term in query.get("search", "").replace("\x00", "").replace(",", " ").split():
        also("(icontains(name, ?) OR icontains(mode, ?) OR icontains(status, ?) "
             "OR owner IN (SELECT id FROM user WHERE icontains(username, ?)))", *[term] * 4)  # fmt: skip
    return " AND ".join(conditions), arguments, order(query, ORDERS, "id DESC")


def _number(text: str) -> int:
    """The id that a filter names: what is behind the point is cut off; 0, which nobody has, for what is too large."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise Invalid({"id": ["Enter a number."]})
    number = float(text)
    return int(number) if abs(number) <= LARGEST_ID else 0


def order(query: Mapping[str, str], names: Collection[str], otherwise: str) -> str:
    """The SQL order that a query asks for with `ordering`; names that are not among `names` are skipped."""
    wanted = [name.strip() for name in query.get("ordering", "").split(",")]
    known = [name for name in wanted if name.removeprefix("-") in names]
    words = [f"{name[1:]} DESC NULLS FIRST" if name.startswith("-") else f"{name} ASC NULLS LAST" for name in known]
    return ", ".join(words or [otherwise])


def described(store: Store, rows: list[sqlite3.Row], root: str) -> list[dict[str, Any]]:
    """Tasks as the API shows them; `root` is the server's address. A few queries, however many tasks."""
    ids = [row["id"] for row in rows]
    found_labels, found_segments, found_data = (
        labels.described(store, ids),
        _segments(store, ids, root),
        _data(store, ids),
    )
    return [
        {
            "url": f"{root}/api/v1/tasks/{row['id']}", "id": row["id"], "name": row["name"], "mode": row["mode"],
            "owner": row["owner"], "assignee": row["assignee"], "bug_tracker": row["bug_tracker"],
            "created_date": row["created_date"], "updated_date": row["updated_date"], "overlap": row["overlap"],
            "segment_size": row["segment_size"], "z_order": bool(row["z_order"]), "status": row["status"],
            "labels": found_labels.get(row["id"], []), "segments": found_segments.get(row["id"], []), "project": None,
            **found_data.get(row["id"], {}),
        }
        for row in rows
    ]  # fmt: skip


def _segments(store: Store, task_ids: list[int], root: str) -> dict[int, list[dict[str, Any]]]:
    segments: dict[int, dict[int, dict[str, Any]]] = {}
    for row in store.all(
        "SELECT s.task_id, s.id AS segment, s.start_frame, s.stop_frame, j.id, j.assignee, j.status "
        "FROM segment s JOIN job j ON j.segment_id = s.id "
        "WHERE s.task_id IN (SELECT value FROM json_each(?)) ORDER BY s.id, j.id", json.dumps(task_ids),
    ):  # fmt: skip
        segment = segments.setdefault(row["task_id"], {}).setdefault(
            row["segment"], {"start_frame": row["start_frame"], "stop_frame": row["stop_frame"], "jobs": []}
        )
        segment["jobs"].append({"url": f"{root}/api/v1/jobs/{row['id']}", "id": row["id"], "assignee": row["assignee"],
                                "status": row["status"]})  # fmt: skip
    return {task_id: list(found.values()) for task_id, found in segments.items()}


def _data(store: Store, task_ids: list[int]) -> dict[int, dict[str, Any]]:
    rows = store.all(
        "SELECT t.id AS task_id, d.* FROM task t JOIN data d ON d.id = t.data_id "
        "WHERE t.id IN (SELECT value FROM json_each(?))", json.dumps(task_ids),
    )  # fmt: skip
    return {
        row["task_id"]: {
            "data_chunk_size": row["chunk_size"], "data_compressed_chunk_type": "imageset",
            "data_original_chunk_type": "imageset", "size": row["size"], "image_quality": row["image_quality"],
            "data": row["id"],
        }
        for row in rows
    }  # fmt: skip


# -- jobs


def jobs_of(store: Store, task_id: int) -> list[sqlite3.Row]:
    """The jobs of a task in no order one may rely on: the ones changed last come last."""
    return store.all(
        "SELECT j.*, s.start_frame, s.stop_frame FROM job j JOIN segment s ON s.id = j.segment_id "
        "WHERE j.task_id = ? ORDER BY j.touched", task_id,
    )  # fmt: skip


def described_job(row: sqlite3.Row, root: str) -> dict[str, Any]:
    """A job as the API shows it."""
    return {
        "url": f"{root}/api/v1/jobs/{row['id']}", "id": row["id"], "assignee": row["assignee"], "status": row["status"],
        "start_frame": row["start_frame"], "stop_frame": row["stop_frame"], "task_id": row["task_id"],
    }  # fmt: skip


def change_job(store: Store, accounts: Accounts, row: sqlite3.Row, body: Any, *, form: bool, partial: bool) -> None:
    """PATCH and PUT of a job: its status and its assignee; the task's status follows."""
    fields = {
        "assignee": Reference(accounts.exists, null=True, required=False),
        "status": Choice(*STATUSES, required=False),
    }
    clean = Object(fields).run(body, form=form, partial=partial)
    with store.transaction():
        for name, value in clean.items():
            store.run(f"UPDATE job SET {name} = ? WHERE id = ?", value, row["id"])  # noqa: S608 - names of our own
        store.run("UPDATE job SET touched = ? WHERE id = ?", store.next_id("touch"), row["id"])
        follow_jobs(store, row["task_id"])


def follow_jobs(store: Store, task_id: int) -> None:
    """Set the status of a task to the least of its jobs' statuses."""
    present = {row["status"] for row in store.all("SELECT DISTINCT status FROM job WHERE task_id = ?", task_id)}
    status = next((status for status in STATUSES if status in present), "completed")
    store.run("UPDATE task SET status = ? WHERE id = ?", status, task_id)
