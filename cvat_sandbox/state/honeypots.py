"""Honeypots: copies of validation frames among the frames of a task. They have the annotations of the originals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import InvalidAnnotation

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

Annotations = dict[str, Any]
KINDS = ("tags", "shapes")


def copied(db: Database, jobs: Sequence[sqlite3.Row], action: str, data: Annotations) -> Annotations:
    """Return annotations in which each honeypot has those of its validation frame, and no others.

    Nothing changes without annotations on validation frames, unless the action is `put`. Raises InvalidAnnotation for
    actions that change some of them.
    """
    pool = _frames(next(job for job in jobs if job["type"] == "ground_truth"))
    chosen = {kind: [item for item in data[kind] if item["frame"] in pool] for kind in KINDS}
    if action != "put" and not any(chosen.values()):
        return data
    if action not in {"put", "create"}:
        raise InvalidAnnotation("Annotations on validation frames can only be edited via task import or the GT job")
    copies = _honeypots(db, jobs[0]["data_id"], pool)
    covered = {frame for frames in copies.values() for frame in frames}
    result = {**data, **{kind: [item for item in data[kind] if item["frame"] not in covered] for kind in KINDS}}
    for kind in KINDS:
        result[kind] += [_copy(item, frame) for item in chosen[kind] for frame in copies.get(item["frame"], ())]
    return result


def _frames(job: sqlite3.Row) -> range:
    """Return the frames of the ground truth job, which follow one another at the end of the task."""
    frames = json.loads(job["frames"] or "[]") or [job["start_frame"], job["stop_frame"]]
    return range(min(frames), max(frames) + 1)


def _honeypots(db: Database, data_id: int, pool: range) -> dict[int, list[int]]:
    """Return the honeypots of each validation frame."""
    found: dict[int, list[int]] = {}
    rows = db.all("SELECT frame, real_frame FROM frame WHERE data_id = ? AND real_frame IS NOT NULL", data_id)
    for row in rows:
        if row["real_frame"] in pool and row["frame"] not in pool:
            found.setdefault(row["real_frame"], []).append(row["frame"])
    return found


def _copy(item: dict[str, Any], frame: int) -> dict[str, Any]:
    copy = {**deepcopy(item), "frame": frame, "id": None}
    for element in copy.get("elements", ()):
        element["id"] = None
    return copy
