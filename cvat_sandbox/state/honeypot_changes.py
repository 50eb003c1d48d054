"""Changes of honeypots: other validation frames take their places."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cvat_sandbox.state import jobs
from cvat_sandbox.state.changes import Changes
from cvat_sandbox.state.database import now
from cvat_sandbox.state.validation import Layout, UnsuitableFrames, honeypots_of, save_layout

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

NOT_POOL = "Honeypots can only be modified if the task validation mode is 'gt_pool'"
_COULD_NOT = "Could not update honeypot frames: "


def disable(db: Database, data_id: int, layout: Layout, frames: Sequence[int]) -> None:
    """Set the validation frames that no report uses. Raises UnsuitableFrames for other frames."""
    unknown = sorted(set(frames) - set(layout.frames))
    if unknown:
        shown = ", ".join(map(str, unknown))
        raise UnsuitableFrames(f"Unknown frames requested for exclusion from the validation set: {shown}")
    save_layout(db, data_id, Layout(layout.mode, layout.frames, sorted(set(frames)), layout.frames_per_job))


def change(db: Database, job: sqlite3.Row, layout: Layout, wanted: Sequence[int] | None) -> list[int]:
    """Give the honeypots of a job, a row of `state.jobs.SELECT`, other frames; return the honeypots that changed.

    wanted: the validation frame of each honeypot; None chooses those that are used least. Raises UnsuitableFrames.
    """
    known = honeypots_of(db, job["data_id"])
    own = [frame for frame in jobs.frames_of(job) if frame in known]
    if wanted is None:
        wanted = _least_used(layout.active, len(own), list(known.values()))
    else:
        _check(layout, wanted, len(own))
    changed = {frame: real for frame, real in zip(own, wanted, strict=True) if known[frame] != real}
    with Changes(db) as changes:
        _replace(db, job, changed)
        if changed:
            changes.touch("job", job["id"])
            changes.touch("task", job["task_id"])
    return list(changed)


def _least_used(active: Sequence[int], count: int, used: Sequence[int]) -> list[int]:
    if len(active) < count:
        raise UnsuitableFrames(
            f"Can't select validation frames: the remaining number of validation frames ({len(active)}) is less than "
            f"the number of honeypots in a job ({count}). Try to restore some validation frames"
        )
    shuffled = random.sample(list(active), len(active))
    return sorted(shuffled, key=used.count)[:count]


def _check(layout: Layout, wanted: Sequence[int], count: int) -> None:
    foreign = sorted(set(wanted) - set(layout.frames))
    if foreign:
        shown = ", ".join(map(str, foreign))
        raise UnsuitableFrames(f"{_COULD_NOT}frames {shown} are not from the validation pool")
    disabled = sorted(set(wanted) & set(layout.disabled))
    if disabled:
        shown = ", ".join(map(str, disabled))
        raise UnsuitableFrames(f"{_COULD_NOT}frames {shown} are disabled. Restore them in the validation pool first")
    if len(wanted) != count:
        raise UnsuitableFrames(
            f"{_COULD_NOT}the number of honeypots must remain the same. Requested {len(wanted)}, current {count}"
        )


def _replace(db: Database, job: sqlite3.Row, changed: Mapping[int, int]) -> None:
    """Copy validation frames onto honeypots, and delete what was drawn on these."""
    columns = "path, file, width, height"
    for frame, real in changed.items():
        db.execute(
            f"UPDATE frame SET ({columns}, real_frame) = (SELECT {columns}, frame FROM frame "  # noqa: S608 - the names are constants
            "WHERE data_id = ? AND frame = ?) WHERE data_id = ? AND frame = ?",
            job["data_id"], real, job["data_id"], frame,
        )  # fmt: skip
    numbers = json.dumps(list(changed))
    for table in ("tag", "shape"):
        db.execute(
            f"DELETE FROM {table} WHERE frame IN (SELECT value FROM json_each(?)) "  # noqa: S608 - the names are constants
            "AND job_id IN (SELECT id FROM job WHERE task_id = ?)", numbers, job["task_id"],
        )  # fmt: skip
    data = db.one("SELECT deleted_frames FROM data WHERE id = ?", job["data_id"])
    if changed and data is not None:
        kept = [frame for frame in json.loads(data["deleted_frames"]) if frame not in changed]
        db.update("data", job["data_id"], {"deleted_frames": json.dumps(kept), "chunks_updated_date": now()})
