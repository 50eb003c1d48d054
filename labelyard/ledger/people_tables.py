"""The tables of people: who is away, what they were told about their work, and how sending that went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.messages import Notice, WorkKind
from labelyard.ledger.channel_state import ChannelState
from labelyard.ledger.declarative import Table


class Absence(Table):
    """Somebody who gets no jobs for now. The row is deleted when they are back, and means nothing after `until`."""

    __tablename__ = "absence"

    person: Mapped[str] = mapped_column(primary_key=True)
    """The user name in every CVAT."""
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """None: until a person says that they are back."""


class JobNotice(Table):
    """What somebody was told about a job, or has to be told. Deleted when there is nothing left to tell.

    Only who has the person's channel leased changes them.
    """

    __tablename__ = "job_notice"

    person: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    job: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The job's id in CVAT."""
    kind: Mapped[WorkKind]
    turn: Mapped[int]
    since: Mapped[datetime]
    notified: Mapped[bool]
    named: Mapped[bool]
    taken_by: Mapped[str | None]

    def to_domain(self) -> Notice:
        """Return it as the decisions need it."""
        return Notice(self.kind, self.turn, self.since, self.notified, self.named, self.taken_by)


class PersonChannel(ChannelState, Table):
    """How sending to a person last went. No address and no secret is kept."""

    __tablename__ = "person_channel"

    person: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    """Counted with each lease and each result: who read another one decided by notices that have changed."""
    leased_until: Mapped[datetime | None]
    """Until then one process has the right to send the person's next message: it was decided, and may be sent."""
    failing_since: Mapped[datetime | None]
    """When the first of the failures in a row was."""
    absent_since: Mapped[datetime | None]
    """Since when the settings of a machine with housekeeping do not name the person; None: they do."""
