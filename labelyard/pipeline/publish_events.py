"""publish_events: post the events of the outbox to Prefect, which starts a run for each batch.

An event carries batch and attempt, nothing else: a flow reads the rest from the ledger. An event is marked as
published only after Prefect has accepted it, so it may be posted twice; both times it has the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from labelyard.context import Context
from labelyard.errors import NotFound
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, outbox
from labelyard.ledger.tables import OutboxEvent
from labelyard.log_records import log_about

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EventToPublish:
    """An event of the outbox; `id` stays the same each time the event is posted."""

    id: str
    name: str
    batch: str
    dataset: str
    attempt: int
    written_at: datetime


class EventsApi(Protocol):
    """What publishing needs from Prefect."""

    def publish(self, events: Sequence[EventToPublish]) -> None:
        """Post events and return once they are accepted. Raises PrefectUnreachable."""

    def batches_with_queued_run(self) -> Collection[str]:
        """Return the batches that have a run which has not started yet. Raises PrefectUnreachable."""


def publish_events(context: Context, events: EventsApi) -> int:
    """Publish what the outbox holds, oldest first, and return how many events that were.

    Raises PrefectUnreachable; what is not accepted by then stays unpublished.
    """
    published = 0
    while unpublished := _unpublished(context):
        failpoint("publish_events.read")
        events.publish(list(unpublished.values()))
        failpoint("publish_events.posted")
        _mark_published(context, unpublished)
        failpoint("publish_events.marked")
        published += len(unpublished)
    return published


def publish_again(context: Context, events: EventsApi) -> int:
    """Add an event to the outbox for every batch that waits for a run and has none; return how many.

    Prefect may lose the run that an event should start: a deployment replaces the triggers, or a server is killed. A
    batch whose run only waits for a worker or a concurrency slot gets no event: such runs would pile up. Raises
    PrefectUnreachable.
    """
    quiet = timedelta(seconds=context.settings.publish_again_seconds)
    with context.ledger.read_only() as tx:
        if not batches.without_run(tx, quiet=quiet):
            return 0
    queued = events.batches_with_queued_run()
    with context.ledger.transaction() as tx:
        again = batches.publish_again(tx, quiet=quiet, queued=queued)
        for batch in again:
            with log_about(dataset=batch.dataset, batch=batch.id):
                _log.info("%s is %s without a run: publishing event %d", batch.id, batch.state, batch.event_count)
    failpoint("publish_events.republished")
    return len(again)


def publish_waiting(context: Context, events: EventsApi) -> int:
    """Publish the outbox's events, and again those that no run acted on; return how many. Raises PrefectUnreachable."""
    sent = publish_events(context, events)
    again = publish_again(context, events)
    return sent + (publish_events(context, events) if again else 0)


def record_not_started(context: Context, batch_id: str, reason: str) -> bool:
    """Record that Prefect failed to start a run; return False if there is no such batch, or it waits for no run."""
    with context.ledger.transaction() as tx:
        try:
            batch = batches.get(tx, batch_id, lock=True)
        except NotFound:
            return False  # an event may name any batch: anybody can post one
        error = f"Prefect did not start a run: {reason}"
        return batches.record_not_started(tx, batch, error, next_step="labelyard doctor")


def _unpublished(context: Context) -> dict[int, EventToPublish]:
    """Return unpublished events by the id of their outbox row. Backfills get at most half of the runs."""
    backfills = max(1, context.settings.deploy.at_once()[0] // 2)
    with context.ledger.read_only() as tx:
        return {
            row.id: EventToPublish(
                str(outbox.event_id(tx, row)), row.event, row.batch_id, dataset, row.attempt, row.written_at
            )
            for row, dataset in outbox.unpublished(tx, backfills=backfills)
        }


def _mark_published(context: Context, row_ids: Collection[int]) -> None:
    with context.ledger.transaction() as tx:
        for row_id in row_ids:
            tx.get_one(OutboxEvent, row_id).published_at = tx.now
