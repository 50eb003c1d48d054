"""The annotations of jobs and tasks in 2.x, which its API calls LabeledData: written, read, and divided among jobs.

They are dicts as the API holds them: {"version", "tags", "shapes", "tracks", "intervals"}. The functions that write
take them with all fields filled in, and complete them with ids; the API family validates the body before.
`annotations` has the rules of 1.0.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from cvat_sandbox.errors import Crash, DuplicateAnnotation, InvalidAnnotation
from cvat_sandbox.state import honeypots, slicing
from cvat_sandbox.state.attribute_specs import AttributeSpecs, filled
from cvat_sandbox.state.changes import Changes
from cvat_sandbox.state.database import LARGEST_BIG_ID, LARGEST_ID, Database
from cvat_sandbox.state.track_frames import align

if TYPE_CHECKING:
    import sqlite3

Action = Literal["put", "create", "update", "delete"]
Item = dict[str, Any]
Annotations = dict[str, Any]
TYPES = ("rectangle", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")
SOURCES = ("auto", "semi-auto", "manual", "file", "consensus")
TABLES = {"tags": "tag", "shapes": "shape", "tracks": "track", "intervals": "interval"}
SHAPE_KEYS = ("label_id", "type", "frame", "group", "source", "score", "occluded", "outside", "z_order", "rotation")
TRACKED_KEYS = ("type", "frame", "occluded", "outside", "z_order", "rotation")
KEYS = {"tag": ("label_id", "frame", "group", "source"), "track": ("label_id", "frame", "group", "source"),
        "interval": ("label_id", "start", "stop", "group", "source", "score")}  # fmt: skip
_JOBS = """
SELECT j.id, j.task_id, j.type, s.start_frame, s.stop_frame, s.frames, t.project_id, t.overlap, t.data_id,
  d.validation_mode, d.start_frame AS first_frame, d.stop_frame AS last_frame
FROM job j JOIN segment s ON s.id = j.segment_id JOIN task t ON t.id = j.task_id LEFT JOIN data d ON d.id = t.data_id
"""


def empty() -> Annotations:
    """Return annotations that hold nothing."""
    return {"version": 0, "tags": [], "shapes": [], "tracks": [], "intervals": []}


def is_empty(data: Annotations) -> bool:
    """Return whether annotations hold nothing."""
    return not any(data[kind] for kind in TABLES)


def _job(db: Database, job_id: int) -> sqlite3.Row:
    row = db.one(f"{_JOBS} WHERE j.id = ?", job_id)
    assert row is not None
    return row


def _jobs_of(db: Database, task_id: int) -> list[sqlite3.Row]:
    """Return the jobs whose annotations are the task's: no replicas, and no ground truth but a pool of honeypots."""
    return [
        job for job in db.all(f"{_JOBS} WHERE j.task_id = ? ORDER BY j.id", task_id)
        if job["type"] == "annotation" or (job["type"] == "ground_truth" and job["validation_mode"] == "gt_pool")
    ]  # fmt: skip


def _specs(db: Database, job: sqlite3.Row) -> AttributeSpecs:
    if job["project_id"] is not None:
        return AttributeSpecs(db, job["project_id"], "project_id")
    return AttributeSpecs(db, job["task_id"])


# -- reading


def read_job(db: Database, job_id: int) -> Annotations:
    """Return the annotations of a job ordered by frame, missing attributes filled in with their defaults."""
    with db.transaction():
        job = _job(db, job_id)
        return _read(db, job, _specs(db, job))


def read_task(db: Database, task_id: int) -> Annotations:
    """Return the annotations of a task's jobs, merged where segments overlap."""
    with db.transaction():
        merged, jobs = empty(), _jobs_of(db, task_id)
        specs = _specs(db, jobs[0]) if jobs else None
        for job in jobs:
            assert specs is not None
            slicing.merge(merged, _read(db, job, specs), job["start_frame"], job["overlap"] or 0)
        return merged


def _read(db: Database, job: sqlite3.Row, specs: AttributeSpecs) -> Annotations:
    result = empty()
    for kind, table in TABLES.items():
        order = "id" if table == "track" else "frame, position, id"
        rows = db.all(f"SELECT id, body FROM {table} WHERE job_id = ? ORDER BY {order}", job["id"])  # noqa: S608 - the names are constants
        bodies = json.loads(f"[{','.join(row['body'] for row in rows)}]")  # at once is faster than one by one
        for row, body in zip(rows, bodies, strict=True):
            item = {"id": row["id"], **body}
            for part in (item, *item.get("elements", ())):
                _fill(part, specs, is_track=table == "track")
            result[kind].append(item)
    return result


def _fill(item: Item, specs: AttributeSpecs, *, is_track: bool) -> None:
    """Fill in missing attributes; a shape of a track inherits them from the one before."""
    label = item["label_id"]
    if not is_track:
        item["attributes"] = filled(item["attributes"], specs.defaults(label))
        return
    item["attributes"] = filled(_as_in_set(item["attributes"]), specs.defaults(label, mutable=False))
    item["shapes"].sort(key=lambda shape: shape["frame"])
    inherited = specs.defaults(label, mutable=True)
    for shape in item["shapes"]:
        shape["attributes"] = inherited = filled(_as_in_set(shape["attributes"]), inherited)


def _as_in_set(attributes: list[Item]) -> list[Item]:
    """Return the attributes of a track without their ids. CVAT reads them into a set, and out in the order of that."""
    by_id = {attribute.pop("id"): attribute for attribute in attributes}
    ids = list(by_id)  # a set that is made of a dict has another order
    return [by_id[key] for key in set(ids)]


# -- writing


def write_job(db: Database, job_id: int, action: Action, data: Annotations) -> Annotations:
    """Create, update, delete or put annotations of a job in one transaction; return what was written, with ids.

    action: `put` replaces all annotations of the job.
    Raises InvalidAnnotation for labels, attributes, ids and intervals that do not fit, and for tracks in a task with
    honeypots; Crash for a track without shapes.
    """
    with Changes(db) as changes:
        job = _job(db, job_id)
        _check_task(job, data)
        return _write(db, job, action, data, _specs(db, job), changes)


def write_task(db: Database, task_id: int, action: Action, data: Annotations) -> Annotations:
    """Write annotations of a task: each job gets those on its frames, all others are dropped without an error.

    Takes, returns and raises what `write_job` does.
    """
    with Changes(db) as changes:
        jobs, merged = _jobs_of(db, task_id), empty()
        if jobs:
            _check_task(jobs[0], data)
        if jobs and jobs[0]["validation_mode"] == "gt_pool":
            data = honeypots.copied(db, jobs, action, data)
        parts = [slicing.slice_annotations(data, job["start_frame"], job["stop_frame"]) for job in jobs]
        for job, part in zip(jobs, parts, strict=True):
            written = _write(db, job, action, part, _specs(db, job), changes)
            slicing.merge(merged, written, job["start_frame"], job["overlap"] or 0)
        return merged


def clear_job(db: Database, job_id: int) -> None:
    """Delete all annotations of a job."""
    with Changes(db) as changes:
        _clear(db, _job(db, job_id), changes)


def clear_task(db: Database, task_id: int) -> None:
    """Delete all annotations of a task."""
    with Changes(db) as changes:
        for job in _jobs_of(db, task_id):
            _clear(db, job, changes)


def _clear(db: Database, job: sqlite3.Row, changes: Changes) -> None:
    if _delete_all(db, job["id"]):
        _touch(job, changes)


def _touch(job: sqlite3.Row, changes: Changes) -> None:
    changes.touch("job", job["id"])
    changes.touch("task", job["task_id"])
    if job["project_id"] is not None:
        changes.touch("project", job["project_id"])


def _write(
    db: Database, job: sqlite3.Row, action: Action, data: Annotations, specs: AttributeSpecs, changes: Changes
) -> Annotations:
    is_changed = not is_empty(data)
    if action == "put":
        is_changed |= _delete_all(db, job["id"]) > 0
    elif action in {"update", "delete"}:
        _delete(db, job["id"], data)
    if action != "delete":
        _create(db, job["id"], data, specs)
    if is_changed:
        _touch(job, changes)
    return {"version": 0, **{kind: data[kind] for kind in TABLES}}


def _check_task(job: sqlite3.Row, data: Annotations) -> None:
    if data["tracks"] and job["validation_mode"] == "gt_pool":
        raise InvalidAnnotation("Tracks are not supported when task validation mode is gt_pool")
    for interval in data["intervals"]:
        name = "Interval" if interval["id"] is None else f"Interval {interval['id']}"
        start, stop = interval["start"], interval["stop"]
        if stop is not None and start > stop:
            raise InvalidAnnotation(f"{name} start must be <= stop, got [{start}, {stop}]")
        if not slicing.contains_interval(interval, job["first_frame"], job["last_frame"]):
            raise InvalidAnnotation(
                f"{name} cannot be outside the task boundaries[{job['first_frame']}, {job['last_frame']}], "
                f"got [{start}, {stop}]"
            )


def _delete_all(db: Database, job_id: int) -> int:
    return sum(db.execute(f"DELETE FROM {table} WHERE job_id = ?", job_id) for table in TABLES.values())  # noqa: S608 - the names are constants


def _delete(db: Database, job_id: int, data: Annotations) -> None:
    """Delete the annotations with the ids of `data` that belong to the job."""
    for kind, table in TABLES.items():
        ids = json.dumps([item["id"] for item in data[kind] if item["id"] is not None])
        sql = f"DELETE FROM {table} WHERE job_id = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608 - the names are constants
        db.execute(sql, job_id, ids)


# -- rows


def _create(db: Database, job_id: int, data: Annotations, specs: AttributeSpecs) -> None:
    for item in (*data["tags"], *data["shapes"], *data["intervals"]):
        _check(item, specs)
    _take_ids(db, "tag", data["tags"])
    _insert(db, "tag", job_id, [(tag, _simple_body("tag", tag)) for tag in data["tags"]])
    _take_ids(db, "shape", data["shapes"])
    for shape in data["shapes"]:
        for element in shape.setdefault("elements", []):
            _check(element, specs)
        _take_ids(db, "shape", shape["elements"])
    _insert(db, "shape", job_id, [(shape, _shape_body(shape)) for shape in data["shapes"]])
    if not all(track["shapes"] for track in data["tracks"]):
        raise Crash("IndexError: list index out of range")
    _insert(db, "track", job_id, _track_bodies(db, data["tracks"], specs))
    _take_ids(db, "interval", data["intervals"])
    _insert(db, "interval", job_id, [(item, _simple_body("interval", item)) for item in data["intervals"]])


def _check(item: Item, specs: AttributeSpecs) -> None:
    numbers = (item.get("frame"), item["group"], item.get("z_order"), item.get("start"), item.get("stop"))
    if any(number is not None and abs(number) > LARGEST_ID for number in numbers):
        raise Crash("integer out of range")
    if abs(item["id"] or 0) > LARGEST_BIG_ID:
        raise Crash("bigint out of range")
    specs.check_label(item["label_id"])
    specs.check(item["label_id"], item["attributes"], mutable=False if "shapes" in item else None)
    for shape in item.get("shapes", ()):
        if max(shape["frame"], abs(shape["z_order"])) > LARGEST_ID:
            raise Crash("integer out of range")
        specs.check(item["label_id"], shape["attributes"], mutable=True)


def _take_ids(db: Database, sequence: str, items: Iterable[Item]) -> None:
    for item in items:
        if item["id"] is None:
            item["id"] = db.next_id(sequence)


def _insert(db: Database, table: str, job_id: int, items: Sequence[tuple[Item, Item]]) -> None:
    """Insert items with their bodies. Raises DuplicateAnnotation for an id that exists."""
    ids = [item["id"] for item, _ in items]
    sql = f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(?)) LIMIT 1"  # noqa: S608 - the names are constants
    known = db.count(sql, json.dumps(ids)) if ids else 0
    if known or len(set(ids)) < len(ids):
        raise DuplicateAnnotation(table, known or max(ids, key=ids.count))
    rows = [
        (item["id"], job_id, item.get("frame", item.get("start")), json.dumps(body), db.next_id("annotation"))
        for item, body in items
    ]
    db.execute_many(f"INSERT INTO {table} (id, job_id, frame, body, position) VALUES (?, ?, ?, ?, ?)", rows)  # noqa: S608 - the names are constants


def _simple_body(table: str, item: Item) -> Item:
    return {**{key: item[key] for key in KEYS[table]}, "attributes": item["attributes"]}


def _shape_body(shape: Item) -> Item:
    body = {key: shape[key] for key in SHAPE_KEYS}
    body.update(score=float(shape["score"]), **_geometry(shape), attributes=shape["attributes"])
    if "elements" in shape:
        body["elements"] = [{"id": element["id"], **_shape_body(element)} for element in shape["elements"]]
    return body


def _geometry(shape: Item) -> Item:
    return {"rotation": float(shape["rotation"]), "points": [float(value) for value in shape.get("points", ())]}


def _track_bodies(db: Database, tracks: list[Item], specs: AttributeSpecs) -> list[tuple[Item, Item]]:
    """Complete tracks with ids; return them with their bodies."""
    align(tracks)
    bodies = _bodies(db, tracks, specs)
    for track, body in bodies:
        elements = track.setdefault("elements", [])
        earlier = align(elements, track)
        if earlier is not None:  # CVAT corrects the saved track of the skeleton, but not the answer
            body["frame"] = body["shapes"][0]["frame"] = earlier
        body["elements"] = [
            {"id": element["id"], **element_body} for element, element_body in _bodies(db, elements, specs)
        ]
    return bodies


def _bodies(db: Database, tracks: list[Item], specs: AttributeSpecs) -> list[tuple[Item, Item]]:
    tracks = [track for track in tracks if track["shapes"]]
    for track in tracks:
        _check(track, specs)
    _take_ids(db, "track", tracks)
    _take_ids(db, "tracked_shape", (shape for track in tracks for shape in track["shapes"]))
    return [(track, _track_body(db, track)) for track in tracks]


def _track_body(db: Database, track: Item) -> Item:
    def numbered(attributes: list[Item], sequence: str) -> list[Item]:
        return [{**attribute, "id": db.next_id(sequence)} for attribute in attributes]

    shapes = [
        {"id": shape["id"], **{key: shape[key] for key in TRACKED_KEYS}, **_geometry(shape),
         "attributes": numbered(shape["attributes"], "tracked_shape_attribute")}
        for shape in track["shapes"]
    ]  # fmt: skip
    body = {key: track[key] for key in KEYS["track"]}
    return {**body, "shapes": shapes, "attributes": numbered(track["attributes"], "track_attribute")}
