"""Where notifications come in: deliveries from SQS, the HTTP webhook, the watch loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a queue has handed out; its `Deliveries` acknowledges it, or keeps it from others for longer.

    `attempts` counts how often it was handed out, this time included; `sent` is when the queue took it, if it says so.
    """

    body: bytes
    receipt: str
    sent: datetime | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """About how many messages wait, and how many are handed out but not yet acknowledged."""

    waiting: int
    in_flight: int


class Deliveries(Protocol):
    """A queue. Methods raise StoreUnreachable where waiting may help, else StoreError."""

    def receive(self, wait_seconds: int, most: int = 10) -> Sequence[Delivery]:
        """Some messages, at most so many, waiting up to so long for the first one alone."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Take them off the queue: what they say is committed."""

    def extend(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        """Keep them from other receivers for so many seconds from now."""

    def depth(self) -> QueueDepth:
        """How much waits, as the queue guesses it."""
