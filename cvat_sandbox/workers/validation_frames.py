"""The validation frames of a task that is being created."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cvat_sandbox.errors import WorkerValidationError
from cvat_sandbox.state import honeypot_frames, validation
from cvat_sandbox.state.validation import Layout, Selection, UnsuitableFrames

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.state.honeypot_frames import Plan

T = TypeVar("T")


def check(params: Mapping[str, Any] | None, task: sqlite3.Row, sorting_method: str) -> None:
    """Raise WorkerValidationError for validation frames that do not fit the task."""
    if not params:
        return
    if params["mode"] == "gt":
        per_job = params.get("frames_per_job_count") if params["frame_selection_method"] == "random_per_job" else None
        if per_job and task["segment_size"] <= per_job:
            raise WorkerValidationError("Validation frame count per job cannot be greater than segment size")
    elif sorting_method != "random":
        raise WorkerValidationError('validation mode "gt_pool" can only be used with "random" sorting')
    elif task["overlap"]:
        raise WorkerValidationError('validation mode "gt_pool" cannot be used with "overlap"')


def honeypots(params: Mapping[str, Any] | None, names: Sequence[str], segment_size: int) -> Plan | None:
    """Return the frames of a task with honeypots, as places in `names`; None for a task without honeypots."""
    if not params or params["mode"] != "gt_pool":
        return None
    order = sorted(range(len(names)), key=lambda number: natural(names[number]))
    plan = _checked(
        lambda: honeypot_frames.plan([names[number] for number in order], Selection.of(params), segment_size)
    )
    return plan.reordered(order)


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Return the key by which numbers within names are sorted by their value."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def add_ground_truth(
    db: Database, task: sqlite3.Row, params: Mapping[str, Any] | None, names: Sequence[str], plan: Plan | None
) -> None:
    """Add the ground truth job of a task that has been divided into jobs."""
    if plan is not None:
        validation.save_layout(db, task["data_id"], Layout("gt_pool", list(plan.pool), frames_per_job=plan.per_job))
        validation.insert_ground_truth(db, task["id"], plan.pool)
    elif params:
        selection = Selection.of(params)
        if selection.frame_selection_method == "manual":
            numbers = _checked(lambda: honeypot_frames.numbers_of(selection.frames, names))
            selection = Selection("manual", numbers)
        _checked(lambda: validation.add_ground_truth(db, task, selection))


def _checked(choose: Callable[[], T]) -> T:
    try:
        return choose()
    except UnsuitableFrames as error:
        raise WorkerValidationError(str(error)) from error
