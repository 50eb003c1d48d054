"""Where notifications come in: deliveries from SQS, the HTTP webhook, the watch loop."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Delivery(Protocol):
    """A message of a queue, and the two things one may do with it.

    `attempts` counts how often the queue has handed it out, this time included.
    """

    @property
    def body(self) -> bytes:
        """The message as it was sent."""

    @property
    def sent(self) -> datetime | None:
        """When the queue took it; None where the queue does not say."""

    @property
    def attempts(self) -> int:
        """How often the queue has handed it out, this time included."""

    def acknowledge(self) -> None:
        """Take it off the queue: what it says is committed."""

    def extend(self, seconds: int) -> None:
        """Keep it from other receivers for so much longer."""
