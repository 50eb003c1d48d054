"""The outbox: events for Prefect, written in the same transaction as the change they report, published afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid5

from sqlalchemy import func, select

from labelyard.domain.states import Event
from labelyard.ledger import breakers
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import Batch, Dataset, LedgerIdentity, OutboxEvent


def put(tx: Transaction, batch: Batch, event: Event) -> OutboxEvent:
    """Put an event into the outbox, as the batch's next attempt."""
    batch.event_count += 1
    batch.last_event_at = tx.now
    row = OutboxEvent(event=event, batch_id=batch.id, attempt=batch.event_count, written_at=batch.last_event_at)
    tx.add(row)
    return row


def unpublished(tx: Transaction, limit: int = 100) -> Sequence[tuple[OutboxEvent, str]]:
    """Return the oldest events that are not published and that a run could act on, each with its dataset."""
    now = tx.now
    query = (
        select(OutboxEvent, Batch.dataset, Batch.cvat)
        .join(Batch, Batch.id == OutboxEvent.batch_id)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            OutboxEvent.published_at.is_(None),
            Dataset.paused_at.is_(None),
            breakers.servers_available(now),
        )
        .order_by(OutboxEvent.id)
        .execution_options(yield_per=limit)  # thousands may wait, and each call needs only the first
    )
    with tx.execute(query) as rows:
        waiting = (((row, dataset), cvat or "") for row, dataset, cvat in rows)
        return list(islice(breakers.limit_trials(tx, now, waiting), limit))


def waiting(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many events are not published, and when the oldest was written."""
    count, since = tx.execute(
        select(func.count(), func.min(OutboxEvent.written_at)).where(OutboxEvent.published_at.is_(None))
    ).one()
    return count, since


def event_id(tx: Transaction, row: OutboxEvent) -> UUID:
    """Return the id of an event: the same each time it is published, so that Prefect recognises a repetition."""
    ledger_id = tx.scalars(select(LedgerIdentity.id)).one()
    return uuid5(UUID(ledger_id), f"{row.event}:{row.batch_id}:{row.attempt}")
