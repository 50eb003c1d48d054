"""What is late: how long each stage of a batch may take, by the `deadlines` of its dataset."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus


class Stage(StrEnum):
    """What happens to a batch after it has closed, until it is exported."""

    UPLOAD = "upload"
    """From its closing until its task shows every file as a frame."""
    ASSIGN = "assign"
    """Until every job has an assignee."""
    LABEL = "label"
    """Until every job is completed."""
    EXPORT = "export"
    """Until its dataset files are in the bucket."""


STAGES: Mapping[BatchState, Stage] = {
    BatchState.CLOSED: Stage.UPLOAD,
    BatchState.CREATED: Stage.UPLOAD,
    BatchState.UPLOADED: Stage.UPLOAD,
    BatchState.READY: Stage.ASSIGN,
    BatchState.ASSIGNED: Stage.LABEL,
    BatchState.COMPLETED: Stage.EXPORT,
}
"""The stage of a batch in each state that has a deadline."""


def stage_words(stage: Stage) -> str:
    """Return what a late batch waits for, in words."""
    return {
        Stage.UPLOAD: "not uploaded to CVAT yet",
        Stage.ASSIGN: "jobs not assigned yet",
        Stage.LABEL: "jobs not completed yet",
        Stage.EXPORT: "completed, not exported yet",
    }[stage]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each stage of a batch may take; None: it is never late."""

    upload: timedelta | None = timedelta(hours=1)
    assign: timedelta | None = timedelta(hours=1)
    label: timedelta | None = timedelta(days=7)
    export: timedelta | None = timedelta(hours=1)

    def of(self, stage: Stage) -> timedelta | None:
        """Return the deadline of a stage."""
        limit: timedelta | None = getattr(self, stage.value)
        return limit


@dataclass(frozen=True, slots=True)
class JobAtWork:
    """A job of a batch: CVAT's id, its assignee, its number of frames, its status, and since when it has it."""

    id: int
    assignee: str | None
    frames: int
    status: JobStatus
    since: datetime
    undecided: str = ""
    """What a person has to decide about its review, and `undecided_since` when."""
    undecided_since: datetime | None = None
    waits: bool = False
    """Whether it is assigned by itself once somebody may get it."""

    @property
    def is_done(self) -> bool:
        """Whether it is completed."""
        return self.status is JobStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class BatchAtWork:
    """What decides whether a batch is late or needs a person; times are UTC."""

    id: str
    dataset: str
    state: BatchState
    stage_since: datetime
    """When its stage began: when it closed (or a backfill got its turn), was ready, assigned (again) or completed."""
    cvat: str
    """The name of its CVAT in the settings."""
    task_url: str | None = None
    error: str | None = None
    next_step: str | None = None
    attempts: int = 0
    """Failures in a row."""
    warning: str | None = None
    jobs: tuple[JobAtWork, ...] = ()
    error_since: datetime | None = None
    """Since when it has its error, if it has one."""
    waits_for_turn: bool = False
    """Whether it is a closed batch of a backfill whose run is not wanted yet. It is not late, however long it waits."""

    @property
    def undecided_jobs(self) -> tuple[JobAtWork, ...]:
        """Its jobs of whose review a person has to decide."""
        return tuple(job for job in self.jobs if job.undecided)

    @property
    def jobs_of_nobody(self) -> tuple[JobAtWork, ...]:
        """Its unfinished jobs without an assignee, unless they wait, or a person has to decide about their review."""
        return tuple(job for job in self.jobs if not (job.assignee or job.is_done or job.undecided or job.waits))


@dataclass(frozen=True, slots=True)
class LateBatch:
    """A batch that has passed the deadline of its stage."""

    id: str
    dataset: str
    task_url: str | None
    stage: Stage
    due: datetime
    """When the stage should have been over."""
    people: tuple[str, ...]
    """Who has its unfinished jobs; "" stands for nobody. Empty in stages without people."""
    jobs: tuple[JobAtWork, ...] = ()
    """Its unfinished jobs, in the stage in which people label."""

    @property
    def images(self) -> int:
        """How many images its unfinished jobs have."""
        return sum(job.frames for job in self.jobs)

    @property
    def next_step(self) -> str:
        """What a person can do about it, with the command."""
        names = [name for name in self.people if name]
        if not names:
            return f"labelyard why {self.id}"
        command = f"labelyard reassign {shlex.quote(names[0])} --dataset {self.dataset}"
        likewise = f"; likewise {', '.join(names[1:])}" if len(names) > 1 else ""
        others = f"or give all their unfinished jobs of {self.dataset} to others: {command}{likewise}"
        return f"ask {', '.join(names)}, {others}"


def late_batches(
    batches: Iterable[BatchAtWork], deadlines: Mapping[str, Deadlines], now: datetime
) -> Sequence[LateBatch]:
    """Return the batches that are late, the one that is most overdue first; `deadlines` are by dataset.

    A dataset without an entry has the default deadlines. A batch that a person has to resume is not late but failed.
    """
    found = (late_batch(batch, deadlines.get(batch.dataset, Deadlines()), now) for batch in batches)
    return sorted((late for late in found if late is not None), key=lambda late: (late.due, late.id))


def next_due(batches: Iterable[BatchAtWork], deadlines: Mapping[str, Deadlines], now: datetime) -> datetime | None:
    """Return when the next batch will be late if nothing happens; None if none will be."""
    dues = (_due(batch, deadlines.get(batch.dataset, Deadlines())) for batch in batches)
    return min((due for due in dues if due is not None and due >= now), default=None)


def late_batch(batch: BatchAtWork, deadlines: Deadlines, now: datetime) -> LateBatch | None:
    """Return the batch as a late one, or None while its stage may still take longer."""
    due = _due(batch, deadlines)
    if due is None or now <= due:
        return None
    stage = STAGES[batch.state]
    unfinished = tuple(job for job in batch.jobs if not job.is_done) if stage is Stage.LABEL else ()
    people = tuple(sorted({job.assignee or "" for job in unfinished}))
    return LateBatch(batch.id, batch.dataset, batch.task_url, stage, due, people, unfinished)


def _due(batch: BatchAtWork, deadlines: Deadlines) -> datetime | None:
    stage = STAGES.get(batch.state)
    limit = deadlines.of(stage) if stage and not batch.waits_for_turn else None
    return batch.stage_since + limit if limit is not None else None
