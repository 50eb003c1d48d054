"""The tables of alerts: what is wrong beside batches, who has got which message, and signs of life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.causes import Kind
from labelyard.ledger.channel_state import ChannelState
from labelyard.ledger.declarative import Table


class Problem(Table):
    """A failure that concerns no single batch. It is deleted when it is over."""

    __tablename__ = "problem"

    kind: Mapped[Kind] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    """What it is about: a source's address, an automation, a queue."""
    dataset: Mapped[str | None]
    what: Mapped[str]
    next_step: Mapped[str]
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When it was last met."""
    size: Mapped[int | None]
    """Of a queue: how many messages waited at `since`."""


class Alert(Table):
    """A cause that a channel has got messages about, or will. It is deleted when it is over and the channel knows."""

    __tablename__ = "alert"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    """The cause's."""
    channel: Mapped[str]
    kind: Mapped[str] = mapped_column(String(24))
    """In words, not as a `Kind`: a newer labelyard may have others."""
    dataset: Mapped[str | None]
    what: Mapped[str]
    next_step: Mapped[str]
    since: Mapped[datetime]
    sent: Mapped[int] = mapped_column(default=0)
    """How many messages were sent."""
    sent_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]
    """Since when the cause is absent."""
    leased_until: Mapped[datetime | None]
    """Until then one process has the right to send its next message."""

    __table_args__ = (Unique("key", "channel", name="uq_alert_key_channel"),)


class AlertChannel(ChannelState, Table):
    """How sending to a channel last went. No address and no secret is kept."""

    __tablename__ = "alert_channel"

    name: Mapped[str] = mapped_column(primary_key=True)


class SignOfLife(Table):
    """When a part of labelyard last did its work."""

    __tablename__ = "sign_of_life"

    part: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
