"""The outbox: events for Prefect, written in the same transaction as the change they report, published afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from labelyard.domain.states import INGESTING, BatchState, Event
from labelyard.ledger import breakers
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import Batch, Dataset, LedgerIdentity, OutboxEvent

_STARTS_BACKFILL = and_(Batch.backfill, Batch.state == BatchState.CLOSED)
"""Condition of the events that start a backfilled batch, or start it again from the beginning."""


def put(tx: Transaction, batch: Batch, event: Event, *, in_vain: int = 0) -> OutboxEvent:
    """Put an event into the outbox, as the batch's next attempt; `in_vain` events before it have started no run."""
    batch.event_count += 1
    batch.events_in_vain = in_vain
    batch.last_event_at = tx.now
    row = OutboxEvent(event=event, batch_id=batch.id, attempt=batch.event_count, written_at=batch.last_event_at)
    tx.add(row)
    return row


def unpublished(tx: Transaction, limit: int = 100, *, backfills: int = 1) -> Sequence[tuple[OutboxEvent, str]]:
    """Return the oldest events that are not published and that a run could act on, each with its dataset.

    The events that start backfilled batches are left out while any other batch waits for a run to be ingested; and of
    these batches at most `backfills` are with Prefect and CVAT at once.
    """
    now = tx.now
    first = _unpublished(tx, now, ~_STARTS_BACKFILL, limit)
    free = 0 if len(first) >= limit or _others_wait(tx, now) else backfills - _backfills_at_work(tx, now)
    return [*first, *(_unpublished(tx, now, _STARTS_BACKFILL, free) if free > 0 else ())]


def _unpublished(
    tx: Transaction, now: datetime, condition: ColumnElement[bool], limit: int
) -> Sequence[tuple[OutboxEvent, str]]:
    query = (
        select(OutboxEvent, Batch.dataset, Batch.cvat)
        .join(Batch, Batch.id == OutboxEvent.batch_id)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            OutboxEvent.published_at.is_(None),
            _may_run(now),
            condition,
        )
        .order_by(OutboxEvent.id)
        .execution_options(yield_per=max(limit, 1))  # thousands may wait, and each call needs only the first
    )
    with tx.execute(query) as rows:
        waiting = (((row, dataset), cvat or "") for row, dataset, cvat in rows)
        return list(islice(breakers.limit_trials(tx, now, waiting), limit))


def _others_wait(tx: Transaction, now: datetime) -> bool:
    """Return whether a batch of what arrives now waits for its run, or for a slot in Prefect."""
    waiting = (
        select(Batch.id)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            Batch.state == BatchState.CLOSED,
            Batch.backfill.is_(False),
            or_(Batch.not_before.is_(None), Batch.not_before <= now),
            or_(Batch.leased_until.is_(None), Batch.leased_until <= now),
            _may_run(now),
        )
    )
    return bool(tx.scalar(select(waiting.exists())))


def _backfills_at_work(tx: Transaction, now: datetime) -> int:
    """Return how many backfilled batches a run works on, or soon will.

    Those that have failed and wait for their next attempt are not among them: others can use the time.
    """
    waits = exists().where(OutboxEvent.batch_id == Batch.id, OutboxEvent.published_at.is_(None))
    postponed = and_(Batch.error.is_not(None), Batch.not_before.is_not(None), Batch.not_before > now)
    of_backfill = (Batch.backfill, Batch.state.in_(INGESTING), ~waits, ~postponed, _may_run(now))
    joined = select(func.count()).select_from(Batch).join(Dataset, Dataset.name == Batch.dataset)
    return tx.scalar(joined.where(*of_backfill)) or 0


def _may_run(now: datetime) -> ColumnElement[bool]:
    """Return the condition that the dataset is not paused and its servers are there."""
    return and_(Dataset.paused_at.is_(None), breakers.servers_available(now))


def waiting(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many events are not published, and when the oldest was written; without those of backfills."""
    count, since = tx.execute(
        select(func.count(), func.min(OutboxEvent.written_at))
        .join(Batch, Batch.id == OutboxEvent.batch_id)
        .where(OutboxEvent.published_at.is_(None), ~_STARTS_BACKFILL)
    ).one()
    return count, since


def event_id(tx: Transaction, row: OutboxEvent) -> UUID:
    """Return the id of an event: the same each time it is published, so that Prefect recognises a repetition."""
    ledger_id = tx.scalars(select(LedgerIdentity.id)).one()
    return uuid5(UUID(ledger_id), f"{row.event}:{row.batch_id}:{row.attempt}")
