"""close_batches: close open batches that are due by their dataset's rules, or that a person closes."""

from __future__ import annotations

import logging
from datetime import datetime

from labelyard.context import Context
from labelyard.domain.batching import due, next_look
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import Batch

_log = logging.getLogger(__name__)


def close_due(context: Context) -> datetime | None:
    """Close every batch that is due; return when the next one is due if no more objects arrive."""
    with context.ledger.read_only() as tx:
        times = {
            batch.id: next_look(datasets.spec(tx, batch.dataset).batch, batches.filling(batch))
            for batch in batches.all_open(tx)
        }
        now = tx.now
    for batch_id, time in times.items():
        if time is not None and time <= now:
            _close_if_due(context, batch_id)
    return min((time for time in times.values() if time is not None and time > now), default=None)


def close_now(context: Context, dataset: str) -> Batch:
    """Close the open batch of a dataset at once. Raises NotFound if it has none, or an empty one."""
    with context.ledger.transaction() as tx:
        datasets.spec(tx, dataset)
        batch = batches.lock_open(tx, dataset)
        if batch is None or not batch.objects:
            raise NotFound(
                f"{dataset} has no open batch: no object was registered since the last one closed",
                next_step="labelyard status",
            )
        batches.close(tx, batch, "closed by a person")
    return batch


def _close_if_due(context: Context, batch_id: str) -> None:
    failpoint("close_batches.due")
    with context.ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        rules = datasets.spec(tx, batch.dataset).batch
        reason = due(rules, batches.filling(batch), tx.now)
        # Another process may have closed or filled it since it was read.
        if batch.state is BatchState.OPEN and reason is not None:
            batches.close(tx, batch, reason)
            failpoint("close_batches.written")
            _log.info("%s closed with %d objects: %s", batch.id, batch.objects, reason)
    failpoint("close_batches.closed")
