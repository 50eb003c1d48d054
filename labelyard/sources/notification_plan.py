"""What must change so that a queue is notified of a dataset's objects; each type of queue makes such a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from labelyard.config import DatasetSpec


@dataclass(frozen=True)
class PlanItem:
    """One line of a plan: its subject (queue, policy, notification), where that is, and the action."""

    subject: str
    where: str
    action: str
    changes: bool = True
    """False if nothing has to be done."""


@dataclass(frozen=True)
class NotificationPlan:
    """What must be done; `problems` must be solved by a person first."""

    items: tuple[PlanItem, ...]
    problems: tuple[str, ...] = ()
    store_commands: tuple[str, ...] = ()
    """Commands for a person at the store, if labelyard can neither make it notify the queue nor see whether it does."""

    @property
    def changes(self) -> bool:
        """Whether anything must be done."""
        return any(item.changes for item in self.items)


class NotificationSetup(Protocol):
    """The watcher's queue, and what notifies it. Methods raise StoreError."""

    @property
    def queue_url(self) -> str | None:
        """The queue's URL, once it exists."""

    def plan(self, spec: DatasetSpec) -> NotificationPlan:
        """Return what must change so that the queue is notified of the dataset's objects."""

    def apply(self, spec: DatasetSpec) -> NotificationPlan:
        """Carry out the plan and return it. Raises StoreError if a person must first solve a problem."""
