"""The tables of people: who is away, what they were told about their work, and how sending that went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.messages import News, WorkKind
from labelyard.ledger.declarative import Table


class Absence(Table):
    """Somebody who gets no jobs for now. The row is deleted when they are back, and means nothing after `until`."""

    __tablename__ = "absence"

    person: Mapped[str] = mapped_column(primary_key=True)
    """The user name in every CVAT."""
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """None: until a person says that they are back."""


class WorkNews(Table):
    """What somebody was told about a job, or has to be told. Deleted when there is nothing left to tell."""

    __tablename__ = "work_news"

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[str]
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    job: Mapped[int]
    """The job's id in CVAT."""
    kind: Mapped[WorkKind]
    turn: Mapped[int]
    since: Mapped[datetime]
    notified: Mapped[bool]
    times_notified: Mapped[int]
    taken_by: Mapped[str | None]

    __table_args__ = (Unique("person", "batch_id", "job", name="uq_work_news_person_batch_id_job"),)

    def to_domain(self) -> News:
        """Return it as the decisions need it."""
        return News(self.kind, self.turn, self.since, self.notified, self.times_notified, self.taken_by)

    def store(self, news: News) -> None:
        """Take over what was decided; what is the same is not written."""
        self.kind, self.turn, self.since = news.kind, news.turn, news.since
        self.notified, self.times_notified, self.taken_by = news.notified, news.times_notified, news.taken_by


class PersonChannel(Table):
    """How sending to a person last went. No address and no secret is kept."""

    __tablename__ = "person_channel"

    person: Mapped[str] = mapped_column(primary_key=True)
    leased_until: Mapped[datetime | None]
    """Until then one process has the right to send the person's next message: it was decided, and may be sent."""
    failures: Mapped[int] = mapped_column(default=0)
    """Failures in a row."""
    failing_since: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    """Nothing is sent before; set after a failure."""
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    """When it last accepted a message."""
