"""The states of a batch and the moves between them.

     close       create        upload        prove      assign       people       export       release
  open ───▶ closed ────▶ created ────▶ uploaded ────▶ ready ────▶ assigned ────▶ completed ────▶ exported ───▶ released
              ▲             │             │             │            │  ▲            │              │             │
              └─────────────┴─────────────┴─────────────┴────────────┘  └────────────┴──────────────┴─────────────┘
               a task given up, or deleted in CVAT: made anew            a job reopened, an annotation changed

From each of them: failed (goes on where it failed when a person says so), set_aside (nothing in it can be labelled),
abandoned (a person gave it up).
"""

from __future__ import annotations

from enum import StrEnum


class BatchState(StrEnum):
    """How far a batch is; each is entered only after the server has shown that it is true."""

    OPEN = "open"
    CLOSED = "closed"
    CREATED = "created"
    UPLOADED = "uploaded"
    READY = "ready"
    ASSIGNED = "assigned"
    COMPLETED = "completed"
    EXPORTED = "exported"
    ARCHIVED = "archived"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


_S = BatchState

INGESTING = (_S.CLOSED, _S.CREATED, _S.UPLOADED, _S.READY)
"""Waiting for ingest_batch."""

WITH_PEOPLE = (_S.ASSIGNED, _S.COMPLETED, _S.EXPORTED)
"""The task lies with people, or lay there and may be reopened."""

TRANSITIONS: dict[BatchState, frozenset[BatchState]] = {
    _S.OPEN: frozenset({_S.CLOSED}),
    _S.CLOSED: frozenset({_S.CREATED}),
    _S.CREATED: frozenset({_S.UPLOADED, _S.CLOSED}),
    _S.UPLOADED: frozenset({_S.READY, _S.CLOSED}),
    _S.READY: frozenset({_S.ASSIGNED, _S.CLOSED}),
    _S.ASSIGNED: frozenset({_S.COMPLETED, _S.CLOSED}),
    _S.COMPLETED: frozenset({_S.EXPORTED, _S.ASSIGNED, _S.CLOSED}),
    _S.EXPORTED: frozenset({_S.ARCHIVED, _S.ASSIGNED, _S.COMPLETED, _S.CLOSED}),
    _S.ARCHIVED: frozenset({_S.ASSIGNED, _S.COMPLETED}),
    _S.FAILED: frozenset({*INGESTING, *WITH_PEOPLE}),
    _S.QUARANTINED: frozenset({_S.CLOSED}),
    _S.CANCELLED: frozenset(),
}
ENDED = frozenset({_S.FAILED, _S.QUARANTINED, _S.CANCELLED})
"""Nothing goes on by itself."""


def may_move(old: BatchState, new: BatchState) -> bool:
    """Whether a batch may go from `old` to `new`."""
    return new in TRANSITIONS[old] or (new in ENDED and old not in (_S.CANCELLED, new))


class TaskState(StrEnum):
    """What labelyard knows of a task it made: planned (its name is fixed), created, uploading, proved, abandoned."""

    PLANNED = "planned"
    CREATED = "created"
    UPLOADING = "uploading"
    VERIFIED = "verified"
    ABANDONED = "abandoned"


class Event(StrEnum):
    """What labelyard announces to Prefect; deployments are triggered by these names."""

    BATCH_CLOSED = "labelyard.batch.closed"
    TASK_COMPLETED = "labelyard.task.completed"
