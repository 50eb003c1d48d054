"""What the watcher needs of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A received message. It is redelivered unless its queue acknowledges it.

    `attempts` counts its deliveries, this one included. `sent` is when the queue accepted it, if the queue reports it.
    """

    body: bytes
    receipt: str
    sent: datetime | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Approximately how many messages wait, and how many are received but not acknowledged."""

    waiting: int
    in_flight: int


class Queue(Protocol):
    """A queue of notifications. Methods raise StoreUnreachable if a later attempt may succeed, else StoreError."""

    @property
    def kind(self) -> str:
        """The queue's name in `QUEUES`; the ledger records it as the source of what it delivers."""

    @property
    def url(self) -> str:
        """Its address."""

    def receive(self, wait_seconds: int, max_messages: int = 10) -> Sequence[QueueMessage]:
        """Return up to `max_messages`; wait up to `wait_seconds` for the first one only."""

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Delete messages from the queue; their content is committed."""

    def extend(self, messages: Sequence[QueueMessage], seconds: int) -> Sequence[str]:
        """Hide messages from other receivers for `seconds` from now; 0 returns them to the queue.

        Return the reason for each message that was skipped, as one that was redelivered or acknowledged, as far as the
        queue tells.
        """

    def depth(self) -> QueueDepth:
        """Return how many messages wait."""

    def close(self) -> None:
        """End its connections and threads; nothing can be asked of it afterwards."""
