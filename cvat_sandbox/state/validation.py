"""Validation frames: the frames of a task that have ground truth, and the honeypots made of them.

In the mode `gt` they are frames of the jobs. In the mode `gt_pool` they come after all jobs, and each job has
honeypots: copies of some of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cvat_sandbox.state import jobs

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

MODES = ("gt", "gt_pool")
METHODS = ("random_uniform", "random_per_job", "manual")
NO_COUNT = "The number of validation frames is not specified"


class UnsuitableFrames(Exception):
    """Validation frames cannot be chosen in this way; the text is CVAT's."""


@dataclass(frozen=True)
class Layout:
    """The validation frames of a task."""

    mode: str | None = None
    frames: list[int] = field(default_factory=list)
    disabled: list[int] = field(default_factory=list)
    """Those of the frames that no report uses."""
    frames_per_job: int | None = None

    @property
    def active(self) -> list[int]:
        """The frames that reports use."""
        return [frame for frame in self.frames if frame not in self.disabled]


def layout_of(data: sqlite3.Row) -> Layout:
    """Return the layout of a data row; its mode is None without validation frames."""
    if data["validation_mode"] is None:
        return Layout()
    return Layout(data["validation_mode"], **json.loads(data["validation"]))


def save_layout(db: Database, data_id: int, layout: Layout) -> None:
    """Store the layout of a data row."""
    frames, disabled = sorted(layout.frames), sorted(layout.disabled)
    kept = json.dumps({"frames": frames, "disabled": disabled, "frames_per_job": layout.frames_per_job})
    db.update("data", data_id, {"validation_mode": layout.mode, "validation": kept})


def honeypots_of(db: Database, data_id: int) -> dict[int, int]:
    """Return the validation frame of each honeypot, ordered by honeypot."""
    rows = db.all("SELECT frame, real_frame FROM frame WHERE data_id = ? AND real_frame IS NOT NULL", data_id)
    return {row["frame"]: row["real_frame"] for row in sorted(rows, key=lambda row: int(row["frame"]))}


# -- selection


@dataclass(frozen=True)
class Selection:
    """How validation frames are chosen. The names are those of the API."""

    frame_selection_method: str
    frames: Sequence[Any] = ()
    """Numbers, or the names of files when a task is created."""
    frame_count: int | None = None
    frame_share: float | None = None
    frames_per_job_count: int | None = None
    frames_per_job_share: float | None = None
    random_seed: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Selection:
        """Return the selection of a body."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})

    @property
    def random(self) -> np.random.Generator:
        """The generator of CVAT, which chooses the same frames from the same seed."""
        return np.random.Generator(np.random.MT19937(self.random_seed))

    def uniform(self, size: int, too_many: str) -> int:
        """Return how many of all frames are chosen. too_many: the text when there are not so many."""
        if self.frame_count:
            if self.frame_count > size:
                raise UnsuitableFrames(too_many.format(self.frame_count))
            return self.frame_count
        if not self.frame_share:
            raise UnsuitableFrames(NO_COUNT)
        return max(1, int(self.frame_share * size))

    def per_job(self, segment_size: int, size: int) -> int:
        """Return how many frames of each job are chosen."""
        if self.frames_per_job_count:
            return self.frames_per_job_count
        if not self.frames_per_job_share:
            raise UnsuitableFrames(NO_COUNT)
        return min(max(1, int(self.frames_per_job_share * segment_size)), size)


@dataclass(frozen=True)
class Divided:
    """The frames of a task and how they are divided into jobs."""

    size: int
    segment_size: int
    overlap: int
    segments: list[range]


def chosen_frames(selection: Selection, divided: Divided, candidates: Sequence[int] | None = None) -> list[int]:
    """Return validation frames of a task. candidates: the frames to choose from, all without it.

    Raises UnsuitableFrames.
    """
    if selection.frame_selection_method == "manual":
        return _manual(selection.frames, divided.size)
    if selection.frame_selection_method == "random_per_job":
        return _per_job(selection, divided)
    text = "The number of frames requested ({}) must not be greater than the number of the task frames"
    count = selection.uniform(divided.size, f"{text} ({divided.size})")
    frames = list(range(divided.size)) if candidates is None else list(candidates)
    return [int(frame) for frame in selection.random.choice(frames, size=count, shuffle=False, replace=False)]


def _manual(frames: Sequence[int], size: int) -> list[int]:
    if len(set(frames)) != len(frames):
        raise UnsuitableFrames("Frames must not repeat")
    unknown = sorted(set(frames) - set(range(size)))
    if unknown:
        raise UnsuitableFrames(f"The following frames do not exist in the task: {', '.join(map(str, unknown))}")
    return list(frames)


def _per_job(selection: Selection, divided: Divided) -> list[int]:
    if (selection.frames_per_job_count or 0) > divided.size:
        raise UnsuitableFrames(
            f"The number of frames requested ({selection.frames_per_job_count}) "
            f"must be not be greater than the segment size ({divided.segment_size})"
        )
    count, random = selection.per_job(divided.segment_size, divided.size), selection.random
    frames: list[int] = []
    for segment in divided.segments:
        taken = set(segment) & set(frames)
        missing = min(len(segment), count) - len(taken)
        if missing > 0:
            free = sorted(set(segment[divided.overlap * (segment.start != 0) :]) - taken)
            frames += random.choice(free, size=min(missing, len(free)), replace=False).tolist()
    return frames


# -- ground truth jobs


def divided(db: Database, task: sqlite3.Row, size: int) -> Divided:
    """Return how a task is divided into annotation jobs."""
    rows = db.all(
        "SELECT start_frame, stop_frame FROM segment s WHERE task_id = ? AND EXISTS "
        "(SELECT 1 FROM job WHERE segment_id = s.id AND type = 'annotation') ORDER BY id", task["id"],
    )  # fmt: skip
    segments = [range(row["start_frame"], row["stop_frame"] + 1) for row in rows]
    return Divided(size, task["segment_size"] or size, task["overlap"] or 0, segments)


def add_ground_truth(db: Database, task: sqlite3.Row, selection: Selection, assignee: int | None = None) -> int:
    """Create the ground truth job of a task with data, and return its id. Raises UnsuitableFrames."""
    data = db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
    assert data is not None
    if data["validation_mode"] is not None:
        raise UnsuitableFrames(f'Task with validation mode "{data["validation_mode"]}" cannot have more than 1 GT job')
    deleted = set(json.loads(data["deleted_frames"]))
    candidates = [frame for frame in range(data["size"]) if frame not in deleted]
    frames = sorted(chosen_frames(selection, divided(db, task, data["size"]), candidates))
    with db.transaction():
        save_layout(db, data["id"], Layout("gt", frames))
        return insert_ground_truth(db, task["id"], range(data["size"]), frames, assignee)


def insert_ground_truth(
    db: Database, task_id: int, extent: range, frames: list[int] | None = None, assignee: int | None = None
) -> int:
    """Insert a ground truth job. extent: its first to its last frame. frames: those that belong to it, if not all."""
    more = {} if frames is None else {"frames": frames}
    return jobs.create(db, task_id, extent[0], extent[-1], type="ground_truth", assignee=assignee, **more)


def remove_ground_truth(db: Database, job: sqlite3.Row) -> None:
    """Delete a ground truth job, a row of `state.jobs.SELECT`, with the validation frames of its task."""
    with db.transaction():
        jobs.delete(db, job)
        db.execute("DELETE FROM segment WHERE id = ?", job["segment_id"])
        db.update("data", job["data_id"], {"validation_mode": None, "validation": "{}"})
