"""The states of a batch and of a task, each with its table of transitions, and the events.

A batch:

     close       create         upload        verify      assign      annotate       export        archive
  open ───▶ closed ────▶ created ────▶ uploaded ────▶ ready ────▶ assigned ────▶ completed ────▶ exported ────▶ archived
              ▲             │              │            │           │  ▲             │              │
              └─────────────┴──────────────┴────────────┴───────────┘  └─────────────┴──────────────┘
               the task was abandoned or deleted: create another        a job was reopened, or an annotation changed

From each of them: failed (`labelyard retry` resumes it in the state it had), quarantined (none of its objects can be
labelled) or cancelled (by a person; final).

A task:

           create        upload          verify
  planned ───▶ created ◀───▶ uploading ───▶ verified        from each of them: abandoned (final)
                  no connection was made: nothing was sent
"""

from __future__ import annotations

from enum import StrEnum


class BatchState(StrEnum):
    """The state of a batch. It changes only after the server has shown that the work is done."""

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
"""States in which a batch waits for the flow ingest_batch."""

WITH_PEOPLE = (_S.ASSIGNED, _S.COMPLETED, _S.EXPORTED)
"""States in which annotators have the task, or had it and may reopen it."""

WITHOUT_A_RUN = (_S.ASSIGNED, _S.EXPORTED)
"""States in which no run works on a batch: an error says that its task cannot be read."""

ENDED = frozenset({_S.FAILED, _S.QUARANTINED, _S.CANCELLED})
"""States that only a person ends. Every other state may lead to them."""

WITHOUT_TASK = frozenset({_S.QUARANTINED, _S.CANCELLED})
"""States in which no run creates a task or uploads to one: an empty task of such a batch is of no use."""


def _next(*states: BatchState) -> frozenset[BatchState]:
    return frozenset(states) | ENDED


TRANSITIONS: dict[BatchState, frozenset[BatchState]] = {
    _S.OPEN: _next(_S.CLOSED),
    _S.CLOSED: _next(_S.CREATED),
    _S.CREATED: _next(_S.UPLOADED, _S.CLOSED),
    _S.UPLOADED: _next(_S.READY, _S.CLOSED),
    _S.READY: _next(_S.ASSIGNED, _S.CLOSED),
    _S.ASSIGNED: _next(_S.COMPLETED, _S.CLOSED),
    _S.COMPLETED: _next(_S.EXPORTED, _S.ASSIGNED, _S.CLOSED),
    _S.EXPORTED: _next(_S.ARCHIVED, _S.ASSIGNED, _S.COMPLETED, _S.CLOSED),
    _S.ARCHIVED: _next(),
    _S.FAILED: _next(*INGESTING, *WITH_PEOPLE) - {_S.FAILED},
    _S.QUARANTINED: _next(_S.CLOSED) - {_S.QUARANTINED},
    _S.CANCELLED: frozenset(),
}
"""For each state, the states that may follow it."""


def may_move(old: BatchState, new: BatchState) -> bool:
    """Return whether a batch may go from state `old` to state `new`."""
    return new in TRANSITIONS[old]


class TaskState(StrEnum):
    """How far labelyard is with a CVAT task.

    planned: its name is fixed. created: the server has it. uploading: files were sent, or may have been. verified: the
    server has shown every file as a frame. abandoned: another task replaces it.
    """

    PLANNED = "planned"
    CREATED = "created"
    UPLOADING = "uploading"
    VERIFIED = "verified"
    ABANDONED = "abandoned"


_T = TaskState

TASK_TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    _T.PLANNED: frozenset({_T.CREATED, _T.ABANDONED}),
    _T.CREATED: frozenset({_T.UPLOADING, _T.ABANDONED}),
    _T.UPLOADING: frozenset({_T.CREATED, _T.VERIFIED, _T.ABANDONED}),
    _T.VERIFIED: frozenset({_T.ABANDONED}),
    _T.ABANDONED: frozenset(),
}
"""For each state of a task, the states that may follow it."""


def may_task_move(old: TaskState, new: TaskState) -> bool:
    """Return whether a task may go from state `old` to state `new`."""
    return new in TASK_TRANSITIONS[old]


class Event(StrEnum):
    """The events that labelyard publishes to Prefect. They trigger the deployments."""

    BATCH_CLOSED = "labelyard.batch.closed"
    TASK_COMPLETED = "labelyard.task.completed"
