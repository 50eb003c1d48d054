"""A cause: one thing that a person has to do or to know, its kind and its words. `domain.attention` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_NAMES_SHOWN = 3


class Kind(StrEnum):
    """What kind of cause it is; those that ask a person to act come first."""

    FAILED = "failed"
    """Batches that only `labelyard retry` continues."""
    UNREADABLE = "task unreadable"
    """Batches that people work on, or that are exported, and whose tasks cannot be read."""
    RETRIED = "tried again in vain"
    """Batches that fail again and again, or are late and fail."""
    SERVER = "server unavailable"
    """A CVAT, object storage, the queue or Prefect, for at least AWAY_LONG."""
    SOURCE = "source unreadable"
    """A source of a dataset that cannot be listed."""
    DEAD_LETTERS = "dead letters"
    """Messages that could not be parsed or registered."""
    NOTHING_ARRIVED = "nothing arrived"
    """A dataset that expects new objects, and got none."""
    QUEUE = "queue growing"
    """A queue of notifications that has not become shorter for QUEUE_LONG."""
    EVENTS = "events waiting"
    """More events than Prefect's services handle in minutes wait in their Redis, for EVENTS_LONG."""
    AUTOMATION = "automation failed"
    """An automation of Prefect that could not start a run."""
    HOUSEKEEPING = "no housekeeping"
    """labelyard's own housekeeping, which gives no sign of life."""
    NOT_REACHED = "person not reached"
    """A person whose channel refuses the messages about their work."""
    NOBODY = "jobs without assignee"
    """Unfinished jobs that nobody has."""
    REVIEW = "review undecided"
    """Jobs that were rejected too often, or that no reviewer can review."""
    LATE = "late"
    """Batches that have passed a deadline of their dataset, and have no error."""
    QUARANTINED = "quarantined"
    """Objects kept out of their batch."""
    PAUSED = "paused"
    """Datasets that a person has paused."""
    WARNING = "warning"
    """Warnings of batches."""


_TO_KNOW = frozenset({Kind.QUARANTINED, Kind.PAUSED, Kind.WARNING})
"""Kinds that nobody has to act on, and nobody gets a message about."""
_COUNTED = {
    Kind.FAILED: "failed",
    Kind.UNREADABLE: "whose task cannot be read",
    Kind.RETRIED: "tried again in vain",
    Kind.LATE: "late",
    Kind.WARNING: "with a warning",
}
"""Kinds that are about batches as a whole, in words after their number."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that a person has to do or to know; times are UTC."""

    key: str
    """The same while the cause lasts, whatever numbers its words have and however many batches join it."""
    kind: Kind
    dataset: str | None
    """None if it may concern all datasets."""
    reason: str
    """Why, in the words of the first batch or object."""
    next_step: str
    """The next command."""
    since: datetime
    batches: tuple[str, ...] = ()
    objects: int = 0
    """How many objects, messages or jobs it concerns; 0 where it concerns batches as a whole."""
    examples: tuple[str, ...] = ()
    """Some addresses of its objects."""

    @property
    def to_act(self) -> bool:
        """Whether a person must act. Late batches count apart, and the rest is only to know."""
        return self.kind not in _TO_KNOW and self.kind is not Kind.LATE

    @property
    def has_alert(self) -> bool:
        """Whether channels get messages about it: it asks a person to act, or its batches are late."""
        return self.kind not in _TO_KNOW

    @property
    def title(self) -> str:
        """The kind with what it counts: "2 batches failed", "3 files quarantined", "Server unavailable"."""
        if self.kind in _COUNTED:
            return f"{counted(len(self.batches), 'batch', 'batches')} {_COUNTED[self.kind]}"
        if self.kind is Kind.QUARANTINED:
            return f"{counted(self.objects, 'file', 'files')} quarantined"
        return self.kind.capitalize()

    @property
    def what(self) -> str:
        """The cause in one or two sentences, without the next command."""
        if self.kind in _COUNTED:
            return f"{self.title} ({some(self.batches)}): {self.reason}"
        if self.kind is Kind.QUARANTINED:
            return f"{self.title} ({some(self.examples[:1])}): {self.reason}"
        return f"{self.reason} ({some(self.batches)})" if self.batches else self.reason

    def document(self) -> dict[str, Any]:
        """Return its fields and properties, for JSON."""
        return asdict(self) | {"to_act": self.to_act, "has_alert": self.has_alert, "what": self.what}


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: "1 batch", "2 batches"."""
    return f"{number} {one if number == 1 else many}"


def some(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
