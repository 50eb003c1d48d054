"""Annotations of jobs and tasks: what a body must hold, how it is written, and what comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cvat_sandbox import tracks
from cvat_sandbox.answers import Crash, Refusal
from cvat_sandbox.fields import LARGEST_ID, Choice, Field, Flag, Many, Object, Real, Text, Whole
from cvat_sandbox.state import DuplicateKey, Store, now

if TYPE_CHECKING:
    import sqlite3

TYPES = ("rectangle", "polygon", "polyline", "points", "cuboid")
LARGEST_ANNOTATION_ID = 2**63 - 1
KINDS = {"tags": "tag", "shapes": "shape", "tracks": "track"}
MODELS = {"tag": "engine_labeledimage", "shape": "engine_labeledshape", "track": "engine_labeledtrack"}


class AttributeValue(Object):
    """A value of an attribute; whatever it is, it becomes text."""

    def __init__(self) -> None:
        super().__init__({"spec_id": Whole(), "value": Text(longest=4096, blank=True)})

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """The clean value; Crash for an attribute without one."""
        try:
            value = {**value, "value": str(value["value"])}
        except (TypeError, KeyError) as error:
            raise Crash(f"{type(error).__name__}: {error}") from error
        return super().run(value, form=form, partial=partial)


def _common() -> dict[str, Field]:
    return {"id": Whole(default=None, null=True), "frame": Whole(least=0), "label_id": Whole(least=0),
            "group": Whole(least=0, null=True), "attributes": Many(AttributeValue())}  # fmt: skip


def _drawn() -> dict[str, Field]:
    return {"type": Choice(*TYPES), "occluded": Flag(), "z_order": Whole(default=0),
            "points": Many(Real(), empty=False, plain=True)}  # fmt: skip


TRACKED = Object({**_drawn(), "id": Whole(default=None, null=True), "frame": Whole(least=0), "outside": Flag(),
                  "attributes": Many(AttributeValue())})  # fmt: skip
BODY = Object({
    "version": Whole(), "tags": Many(Object(_common())), "shapes": Many(Object({**_drawn(), **_common()})),
    "tracks": Many(Object({**_common(), "shapes": Many(TRACKED, empty=False)})),
})  # fmt: skip


class Labels:
    """The attribute specs of a task's labels: which belong to which, and their defaults."""

    def __init__(self, store: Store, task_id: int) -> None:
        rows = store.all(
            "SELECT l.id AS label_id, a.id, a.mutable, a.default_value FROM label l "
            "LEFT JOIN attribute a ON a.label_id = l.id WHERE l.task_id = ? ORDER BY a.id", task_id,
        )  # fmt: skip
        self._specs: dict[int, dict[int, sqlite3.Row]] = {}
        for row in rows:
            specs = self._specs.setdefault(row["label_id"], {})
            if row["id"] is not None:
                specs[row["id"]] = row

    def check(self, label_id: int) -> None:
        """Refuse a label of another task."""
        if label_id not in self._specs:
            raise Refusal(400, f"label_id `{label_id}` is invalid")

    def check_specs(self, label_id: int, attributes: list[dict[str, Any]], *, mutable: bool | None = None) -> None:
        """Refuse an attribute of another label, or of the other kind."""
        for attribute in attributes:
            row = self._specs[label_id].get(attribute["spec_id"])
            if row is None or (mutable is not None and bool(row["mutable"]) != mutable):
                raise Refusal(400, f"spec_id `{attribute['spec_id']}` is invalid")

    def defaults(self, label_id: int, *, mutable: bool | None = None) -> list[dict[str, Any]]:
        """The attributes of a label with their default values."""
        return [
            {"spec_id": key, "value": row["default_value"]} for key, row in self._specs.get(label_id, {}).items()
            if mutable is None or bool(row["mutable"]) == mutable
        ]  # fmt: skip


def _filled(attributes: list[dict[str, Any]], defaults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {attribute["spec_id"] for attribute in attributes}
    return attributes + [dict(default) for default in defaults if default["spec_id"] not in known]


# -- jobs


def read_job(store: Store, job: sqlite3.Row, labels: Labels | None = None) -> dict[str, Any]:
    """The annotations of a job, by frame, with missing attributes filled in."""
    labels = labels or Labels(store, job["task_id"])
    result: dict[str, Any] = {"version": job["version"], "tags": [], "shapes": [], "tracks": []}
    for kind, table in KINDS.items():
        order = "id" if table == "track" else "frame, id"
        for row in store.all(f"SELECT id, body FROM {table} WHERE job_id = ? ORDER BY {order}", job["id"]):  # noqa: S608 - names of our own
            item = {**json.loads(row["body"]), "id": row["id"]}
            mutable = False if table == "track" else None
            item["attributes"] = _filled(item["attributes"], labels.defaults(item["label_id"], mutable=mutable))
            if table == "track":
                _fill_track(item, labels)
            result[kind].append(item)
    return result


def _fill_track(track: dict[str, Any], labels: Labels) -> None:
    track["shapes"].sort(key=lambda shape: shape["frame"])
    inherited = labels.defaults(track["label_id"], mutable=True)
    for shape in track["shapes"]:
        shape["attributes"] = inherited = _filled(shape["attributes"], inherited)


def change_job(store: Store, job_id: int, action: str, data: dict[str, Any] | None) -> dict[str, Any]:
    """create, update, delete or put annotations of a job, as one transaction; what was written, with its ids.

    Raises Refusal for labels and ids that do not fit.
    """
    with store.transaction():
        job = store.one("SELECT * FROM job WHERE id = ?", job_id)
        assert job is not None
        written: dict[str, Any] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        if action in {"put", "update", "delete"}:
            _delete(store, job, None if action == "put" else data)
        if data and action != "delete":
            _create(store, job, data)
        if data:
            written.update({kind: data[kind] for kind in KINDS})
        store.run("UPDATE job SET version = version + 1 WHERE id = ?", job_id)
        return {**written, "version": job["version"] + 1}


def _delete(store: Store, job: sqlite3.Row, data: dict[str, Any] | None) -> None:
    deleted = 0
    for kind, table in KINDS.items():
        if data is None:
            deleted += store.run(f"DELETE FROM {table} WHERE job_id = ?", job["id"])  # noqa: S608 - names of our own
        else:
            ids = json.dumps([item["id"] for item in data[kind] if item["id"] is not None])
            sql = f"DELETE FROM {table} WHERE job_id = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608 - names of our own
            deleted += store.run(sql, job["id"], ids)
    if deleted:
        _touch(store, job["task_id"])


def _create(store: Store, job: sqlite3.Row, data: dict[str, Any]) -> None:
    labels = Labels(store, job["task_id"])
    for kind, table in KINDS.items():
        _check(labels, table, data[kind])
        for item in sorted(data[kind], key=lambda item: item["id"] is None):  # those with an id are written first
            item["id"] = _insert(store, table, job["id"], item)
    if any(data[kind] for kind in KINDS):
        _touch(store, job["task_id"])
        store.run("UPDATE job SET touched = ? WHERE id = ?", store.next_id("touch"), job["id"])


def _check(labels: Labels, table: str, items: list[dict[str, Any]]) -> None:
    for item in items:
        numbers = [item["frame"], item["group"], item.get("z_order")]
        if any(number is not None and abs(number) > LARGEST_ID for number in numbers):
            raise Crash("integer out of range")
        if abs(item["id"] or 0) > LARGEST_ANNOTATION_ID:
            raise Crash("bigint out of range")
        labels.check(item["label_id"])
        labels.check_specs(item["label_id"], item["attributes"], mutable=False if table == "track" else None)
        for shape in item.get("shapes", []):
            labels.check_specs(item["label_id"], shape["attributes"], mutable=True)


def _insert(store: Store, table: str, job_id: int, item: dict[str, Any]) -> int:
    for shape in item.get("shapes", []):
        shape["id"] = shape["id"] or store.next_id("tracked_shape")
    body = json.dumps({name: value for name, value in item.items() if name != "id"})
    try:
        return store.insert(table, id=item["id"], job_id=job_id, frame=item["frame"], body=body)
    except DuplicateKey as error:
        raise Refusal(400, f'duplicate key value violates unique constraint "{MODELS[table]}_pkey"\n'
                           f"DETAIL:  Key (id)=({error.key}) already exists.\n") from None  # fmt: skip


def _touch(store: Store, task_id: int) -> None:
    store.run("UPDATE task SET updated_date = ? WHERE id = ?", now(), task_id)


# -- tasks


def _jobs(store: Store, task_id: int) -> list[sqlite3.Row]:
    return store.all(
        "SELECT j.*, s.start_frame, s.stop_frame, t.overlap FROM job j JOIN segment s ON s.id = j.segment_id "
        "JOIN task t ON t.id = j.task_id WHERE j.task_id = ? ORDER BY j.id", task_id,
    )  # fmt: skip


def read_task(store: Store, task_id: int) -> dict[str, Any]:
    """The annotations of all jobs, merged where segments overlap; the version is the greatest."""
    with store.transaction():
        merged: dict[str, Any] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        labels = Labels(store, task_id)
        for job in _jobs(store, task_id):
            _merge(merged, read_job(store, job, labels), job)
        return merged


def read_frames(store: Store, task_id: int, first: int, last: int) -> dict[str, Any]:
    """The same of the jobs alone that have to do with the frames from `first` to `last`."""
    with store.transaction():
        merged: dict[str, Any] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        for job in _jobs(store, task_id):
            if job["start_frame"] <= last and job["stop_frame"] >= first:
                _merge(merged, read_job(store, job), job)
        return merged


def _merge(merged: dict[str, Any], data: dict[str, Any], job: sqlite3.Row) -> None:
    merged["version"] = max(merged["version"], data["version"])
    tracks.merge(merged, data, job["start_frame"], job["overlap"] or 0)


def change_task(store: Store, task_id: int, action: str, data: dict[str, Any]) -> dict[str, Any]:
    """The same for a task: each job gets what lies on its frames; the rest is dropped in silence."""
    with store.transaction():
        merged: dict[str, Any] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
        for job in _jobs(store, task_id):
            part = tracks.sliced(data, job["start_frame"], job["stop_frame"])
            _merge(merged, change_job(store, job["id"], action, part), job)
        return merged


def clear_task(store: Store, task_id: int) -> None:
    """Delete all annotations of a task."""
    with store.transaction():
        for job in _jobs(store, task_id):
            change_job(store, job["id"], "put", None)
