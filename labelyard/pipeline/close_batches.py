"""Closing batches: when the dataset's rules say so, also by time alone, or when a person says so."""

from __future__ import annotations

import logging
from datetime import datetime

from labelyard.context import Context
from labelyard.domain.batching import PersonCloses, TimePasses, closes_at
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import Batch

_log = logging.getLogger(__name__)


def close_due(context: Context) -> datetime | None:
    """Close every batch whose time has come; returns when the next one's comes if nothing more arrives."""
    with context.ledger.read_only() as tx:
        looks = [(batch.id, closes_at(datasets.spec(tx, batch.dataset).batch, batches.contents(batch)))
                 for batch in batches.all_open(tx)]  # fmt: skip
        now = tx.now
    for batch_id, look in looks:
        if look is not None and look <= now:
            _close_if_due(context, batch_id)
    return min((look for _, look in looks if look is not None and look > now), default=None)


def close_now(context: Context, dataset: str) -> Batch:
    """Close a dataset's open batch at once. Raises NotKnown where there is none."""
    with context.ledger.transaction() as tx:
        rules = datasets.spec(tx, dataset).batch
        batch = batches.lock_open(tx, dataset)
        if batch is None or batches.close_on_event(tx, rules, batch, PersonCloses()) is None:
            raise NotFound(
                f"{dataset} has no open batch: nothing landed since the last one closed", next_step="labelyard status"
            )
    return batch


def _close_if_due(context: Context, batch_id: str) -> None:
    failpoint("close_batches.due")
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        rules = datasets.spec(tx, batch.dataset).batch
        if batch.state is not BatchState.OPEN:
            return  # another transaction has closed it meanwhile
        reason = batches.close_on_event(tx, rules, batch, TimePasses(tx.now))
        if reason is not None:
            failpoint("close_batches.written")
            _log.info("%s closed with %d objects: %s", batch.id, batch.objects, reason)
    failpoint("close_batches.closed")
