"""Annotations of jobs and tasks: checked against the labels, written, read, and divided among jobs.

Annotations are dicts as the API holds them: {"version", "tags", "shapes", "tracks"}. The functions that write take
them with all fields filled in; the API family validates the body before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Crash, DuplicateAnnotation
from cvat_sandbox.state import tracks
from cvat_sandbox.state.attribute_specs import AttributeSpecs, filled
from cvat_sandbox.state.database import LARGEST_BIG_ID, LARGEST_ID, Database, DuplicateKey, now

if TYPE_CHECKING:
    import sqlite3

TYPES = ("rectangle", "polygon", "polyline", "points", "cuboid")
TABLES = {"tags": "tag", "shapes": "shape", "tracks": "track"}


def empty() -> dict[str, Any]:
    """Return annotations that hold nothing."""
    return {"version": 0, "tags": [], "shapes": [], "tracks": []}


# -- jobs


def read_job_annotations(db: Database, job: sqlite3.Row, specs: AttributeSpecs | None = None) -> dict[str, Any]:
    """Return the annotations of a job ordered by frame, missing attributes filled in with their defaults."""
    specs = specs or AttributeSpecs(db, job["task_id"])
    result = {**empty(), "version": job["version"]}
    for kind, table in TABLES.items():
        order = "id" if table == "track" else "frame, id"
        for row in db.all(f"SELECT id, body FROM {table} WHERE job_id = ? ORDER BY {order}", job["id"]):  # noqa: S608 - the names are constants
            item = {**json.loads(row["body"]), "id": row["id"]}
            mutable = False if table == "track" else None
            item["attributes"] = filled(item["attributes"], specs.defaults(item["label_id"], mutable=mutable))
            if table == "track":
                _fill_track(item, specs)
            result[kind].append(item)
    return result


def _fill_track(track: dict[str, Any], specs: AttributeSpecs) -> None:
    track["shapes"].sort(key=lambda shape: shape["frame"])
    inherited = specs.defaults(track["label_id"], mutable=True)
    for shape in track["shapes"]:
        shape["attributes"] = inherited = filled(shape["attributes"], inherited)


def write_job_annotations(db: Database, job_id: int, action: str, data: dict[str, Any] | None) -> dict[str, Any]:
    """Create, update, delete or put annotations of a job in one transaction; return what was written, with ids.

    action: `create`, `update`, `delete`, or `put`, which replaces all annotations of the job.
    Raises InvalidAnnotation for labels, attributes and ids that do not fit.
    """
    with db.transaction():
        job = db.one("SELECT * FROM job WHERE id = ?", job_id)
        assert job is not None
        written = empty()
        if action in {"put", "update", "delete"}:
            _delete(db, job, None if action == "put" else data)
        if data and action != "delete":
            _create(db, job, data)
        if data:
            written.update({kind: data[kind] for kind in TABLES})
        db.execute("UPDATE job SET version = version + 1 WHERE id = ?", job_id)
        return {**written, "version": job["version"] + 1}


def _delete(db: Database, job: sqlite3.Row, data: dict[str, Any] | None) -> None:
    deleted = 0
    for kind, table in TABLES.items():
        if data is None:
            deleted += db.execute(f"DELETE FROM {table} WHERE job_id = ?", job["id"])  # noqa: S608 - the names are constants
        else:
            ids = json.dumps([item["id"] for item in data[kind] if item["id"] is not None])
            sql = f"DELETE FROM {table} WHERE job_id = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608 - the names are constants
            deleted += db.execute(sql, job["id"], ids)
    if deleted:
        _set_updated_date(db, job["task_id"])


def _create(db: Database, job: sqlite3.Row, data: dict[str, Any]) -> None:
    specs = AttributeSpecs(db, job["task_id"])
    for kind, table in TABLES.items():
        _check(specs, table, data[kind])
        for item in sorted(data[kind], key=lambda item: item["id"] is None):  # items with an id are written first
            item["id"] = _insert(db, table, job["id"], item)
    if any(data[kind] for kind in TABLES):
        _set_updated_date(db, job["task_id"])
        db.execute("UPDATE job SET touched = ? WHERE id = ?", db.next_id("touch"), job["id"])


def _check(specs: AttributeSpecs, table: str, items: list[dict[str, Any]]) -> None:
    for item in items:
        numbers = [item["frame"], item["group"], item.get("z_order")]
        if any(number is not None and abs(number) > LARGEST_ID for number in numbers):
            raise Crash("integer out of range")
        if abs(item["id"] or 0) > LARGEST_BIG_ID:
            raise Crash("bigint out of range")
        specs.check_label(item["label_id"])
        specs.check(item["label_id"], item["attributes"], mutable=False if table == "track" else None)
        for shape in item.get("shapes", []):
            specs.check(item["label_id"], shape["attributes"], mutable=True)


def _insert(db: Database, table: str, job_id: int, item: dict[str, Any]) -> int:
    for shape in item.get("shapes", []):
        shape["id"] = shape["id"] or db.next_id("tracked_shape")
    body = json.dumps({name: value for name, value in item.items() if name != "id"})
    try:
        return db.insert(table, id=item["id"], job_id=job_id, frame=item["frame"], body=body)
    except DuplicateKey as error:
        raise DuplicateAnnotation(table, error.key) from None


def _set_updated_date(db: Database, task_id: int) -> None:
    db.execute("UPDATE task SET updated_date = ? WHERE id = ?", now(), task_id)


# -- tasks


def _jobs(db: Database, task_id: int) -> list[sqlite3.Row]:
    return db.all(
        "SELECT j.*, s.start_frame, s.stop_frame, t.overlap FROM job j JOIN segment s ON s.id = j.segment_id "
        "JOIN task t ON t.id = j.task_id WHERE j.task_id = ? AND j.type = 'annotation' ORDER BY j.id", task_id,
    )  # fmt: skip


def read_task_annotations(db: Database, task_id: int) -> dict[str, Any]:
    """Return the annotations of all jobs of a task, merged where segments overlap; `version` is the highest one."""
    with db.transaction():
        merged = empty()
        specs = AttributeSpecs(db, task_id)
        for job in _jobs(db, task_id):
            _merge(merged, read_job_annotations(db, job, specs), job)
        return merged


def read_frame_annotations(db: Database, task_id: int, first: int, last: int) -> dict[str, Any]:
    """Return the merged annotations of the jobs that contain frames from `first` to `last`."""
    with db.transaction():
        merged = empty()
        for job in _jobs(db, task_id):
            if job["start_frame"] <= last and job["stop_frame"] >= first:
                _merge(merged, read_job_annotations(db, job), job)
        return merged


def _merge(merged: dict[str, Any], data: dict[str, Any], job: sqlite3.Row) -> None:
    merged["version"] = max(merged["version"], data["version"])
    tracks.merge(merged, data, job["start_frame"], job["overlap"] or 0)


def write_task_annotations(db: Database, task_id: int, action: str, data: dict[str, Any]) -> dict[str, Any]:
    """Write annotations of a task: each job gets those on its frames, all others are dropped without an error.

    Takes, returns and raises what `write_job_annotations` does.
    """
    with db.transaction():
        merged = empty()
        for job in _jobs(db, task_id):
            part = tracks.cut_to_frames(data, job["start_frame"], job["stop_frame"])
            _merge(merged, write_job_annotations(db, job["id"], action, part), job)
        return merged


def clear_task_annotations(db: Database, task_id: int) -> None:
    """Delete all annotations of a task."""
    with db.transaction():
        for job in _jobs(db, task_id):
            write_job_annotations(db, job["id"], "put", None)
