"""close_batches: close open batches that are due by their dataset's rules, or that a person closes."""

from __future__ import annotations

import logging
from datetime import datetime

from labelyard.context import Context
from labelyard.domain.batching import DatasetIsIngested, PersonCloses, TimePasses, closes_at
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import Batch
from labelyard.log_records import log_about

_log = logging.getLogger(__name__)


def close_due(context: Context) -> datetime | None:
    """Close every batch that is due; return when the next one is due if no more objects arrive."""
    with context.ledger.read_only() as tx:
        times = {
            batch.id: closes_at(datasets.spec(tx, batch.dataset).batch, batches.contents(batch))
            for batch in batches.all_open(tx)
        }
        now = tx.now
    for batch_id, time in times.items():
        if time is not None and time <= now:
            _close_if_due(context, batch_id)
    return min((time for time in times.values() if time is not None and time > now), default=None)


def close_now(context: Context, dataset: str) -> list[Batch]:
    """Close every open batch of a dataset at once. Raises NotFound if it has none, or only empty ones."""
    with context.ledger.transaction() as tx:
        rules = datasets.spec(tx, dataset).batch
        opened = batches.lock_all_open(tx, dataset)
        closed = [batch for batch in opened if batches.close_on_event(tx, rules, batch, PersonCloses()) is not None]
        if not closed:
            raise NotFound(
                f"{dataset} has no open batch: no object was registered since the last one closed",
                next_step="labelyard status",
            )
    return closed


def close_for_ingest(context: Context, dataset: str) -> list[Batch]:
    """Close every open batch of a dataset that has objects, because the dataset is ingested now; return those."""
    with context.ledger.transaction() as tx:
        rules = datasets.spec(tx, dataset).batch
        opened = batches.lock_all_open(tx, dataset)
        return [one for one in opened if batches.close_on_event(tx, rules, one, DatasetIsIngested()) is not None]


def _close_if_due(context: Context, batch_id: str) -> None:
    failpoint("close_batches.due")
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        rules = datasets.spec(tx, batch.dataset).batch
        if batch.state is not BatchState.OPEN:
            return  # another process has closed it since it was read
        reason = batches.close_on_event(tx, rules, batch, TimePasses(tx.now))
        if reason is not None:
            failpoint("close_batches.written")
            with log_about(dataset=batch.dataset, batch=batch.id):
                _log.info("%s closed with %d objects: %s", batch.id, batch.objects, reason)
    failpoint("close_batches.closed")
