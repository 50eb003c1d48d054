"""What Prefect still has to hear: written in the transaction that made it true, sent afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labelyard.ledger import Ledger, breakers
from labelyard.ledger.tables import Announcement, Batch, Dataset, LedgerIdentity
from labelyard.plan.lifecycle import Event


def put(ledger: Ledger, session: Session, batch: Batch, event: Event) -> Announcement:
    """Write down that an event has to be announced, as the batch's next attempt."""
    batch.announcements += 1
    batch.announced_at = ledger.now(session)
    row = Announcement(event=event, batch_id=batch.id, attempt=batch.announcements, written_at=batch.announced_at)
    session.add(row)
    return row


def unsent(ledger: Ledger, session: Session, limit: int = 100) -> Sequence[tuple[Announcement, str]]:
    """The oldest announcements that Prefect has not confirmed and could act on, each with its dataset."""
    now = ledger.now(session)
    asked = (
        select(Announcement, Batch.dataset, Batch.cvat)
        .join(Batch, Batch.id == Announcement.batch_id)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            Announcement.sent_at.is_(None),
            Dataset.paused_at.is_(None),
            breakers.reachable(now),
        )
        .order_by(Announcement.id)
        .execution_options(yield_per=limit)  # thousands may wait, and the first are asked for each time
    )
    with session.execute(asked) as rows:
        waiting = (((row, dataset), cvat or "") for row, dataset, cvat in rows)
        return list(islice(breakers.one_for_each_trial(session, now, waiting), limit))


def waiting(session: Session) -> tuple[int, datetime | None]:
    """How many announcements wait, and since when."""
    count, since = session.execute(
        select(func.count(), func.min(Announcement.written_at)).where(Announcement.sent_at.is_(None))
    ).one()
    return count, since


def event_id(session: Session, row: Announcement) -> UUID:
    """The event's id: the same each time this announcement is sent, so that Prefect knows a repetition."""
    ledger_id = session.scalars(select(LedgerIdentity.id)).one()
    return uuid5(UUID(ledger_id), f"{row.event}:{row.batch_id}:{row.attempt}")
