"""What Prefect still has to hear: written in the transaction that made it true, sent afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid5

from sqlalchemy import func, select

from labelyard.domain.states import Event
from labelyard.ledger import Transaction, breakers
from labelyard.ledger.tables import Batch, Dataset, LedgerIdentity, OutboxEvent


def put(tx: Transaction, batch: Batch, event: Event) -> OutboxEvent:
    """Write down that an event has to be announced, as the batch's next attempt."""
    batch.publish_attempts += 1
    batch.outbox_at = tx.now
    row = OutboxEvent(event=event, batch_id=batch.id, attempt=batch.publish_attempts, written_at=batch.outbox_at)
    tx.add(row)
    return row


def unsent(tx: Transaction, limit: int = 100) -> Sequence[tuple[OutboxEvent, str]]:
    """The oldest announcements that Prefect has not confirmed and could act on, each with its dataset."""
    now = tx.now
    asked = (
        select(OutboxEvent, Batch.dataset, Batch.cvat)
        .join(Batch, Batch.id == OutboxEvent.batch_id)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            OutboxEvent.sent_at.is_(None),
            Dataset.paused_at.is_(None),
            breakers.reachable(now),
        )
        .order_by(OutboxEvent.id)
        .execution_options(yield_per=limit)  # thousands may wait, and the first are asked for each time
    )
    with tx.execute(asked) as rows:
        waiting = (((row, dataset), cvat or "") for row, dataset, cvat in rows)
        return list(islice(breakers.one_for_each_trial(tx, now, waiting), limit))


def waiting(tx: Transaction) -> tuple[int, datetime | None]:
    """How many announcements wait, and since when."""
    count, since = tx.execute(
        select(func.count(), func.min(OutboxEvent.written_at)).where(OutboxEvent.sent_at.is_(None))
    ).one()
    return count, since


def event_id(tx: Transaction, row: OutboxEvent) -> UUID:
    """The event's id: the same each time this announcement is sent, so that Prefect knows a repetition."""
    ledger_id = tx.scalars(select(LedgerIdentity.id)).one()
    return uuid5(UUID(ledger_id), f"{row.event}:{row.batch_id}:{row.attempt}")
