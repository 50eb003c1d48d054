"""The columns of a channel that messages are sent to: of alerts, or of a person."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.backoff import exponential_backoff

LEASE = timedelta(minutes=2)
"""For how long a process has the right to send a message. If it dies, the message is sent again after that."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


class ChannelState:
    """How sending to a channel last went."""

    failures: Mapped[int] = mapped_column(default=0)
    """Failures in a row."""
    not_before: Mapped[datetime | None]
    """Nothing is sent before; set after a failure."""
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    """When it last accepted a message."""

    def record_accepted(self, now: datetime) -> None:
        """Record that it has accepted a message."""
        self.forget_failures()
        self.sent_at = now

    def record_refused(self, now: datetime, error: str) -> None:
        """Record that it did not accept a message: nothing is sent to it for a while, longer each time."""
        self.not_before = now + exponential_backoff(_FIRST_WAIT, self.failures, _LONGEST_WAIT)
        self.failures, self.error = self.failures + 1, error

    def forget_failures(self) -> None:
        """Let it be as if it had never failed."""
        self.failures, self.not_before, self.error = 0, None, None
