"""Closing batches: when the dataset's rules say so, also by time alone, or when a person says so."""

from __future__ import annotations

import logging
from datetime import datetime

from labelyard.crashing import point
from labelyard.errors import NotKnown
from labelyard.ledger import batches, datasets
from labelyard.ledger.tables import Batch
from labelyard.plan.batching import due, next_look
from labelyard.plan.lifecycle import BatchState
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


def close_due(place: Workplace) -> datetime | None:
    """Close every batch whose time has come; returns when the next one's comes if nothing more arrives."""
    with place.ledger.read() as session:
        looks = [(batch.id, next_look(datasets.spec(session, batch.dataset).batch, batches.filling(batch)))
                 for batch in batches.all_open(session)]  # fmt: skip
        now = place.ledger.now(session)
    for batch_id, look in looks:
        if look is not None and look <= now:
            _close_if_due(place, batch_id)
    return min((look for _, look in looks if look is not None and look > now), default=None)


def close_now(place: Workplace, dataset: str) -> Batch:
    """Close a dataset's open batch at once. Raises NotKnown where there is none."""
    with place.ledger.write() as session:
        datasets.spec(session, dataset)
        batch = batches.lock_open(session, dataset)
        if batch is None or not batch.objects:
            raise NotKnown(
                f"{dataset} has no open batch: nothing landed since the last one closed", next_step="labelyard status"
            )
        batches.close(place.ledger, session, batch, "a person closed it")
    return batch


def _close_if_due(place: Workplace, batch_id: str) -> None:
    point("closing.due")
    with place.ledger.write() as session:
        batch = batches.get(session, batch_id, lock=True)
        rules = datasets.spec(session, batch.dataset).batch
        reason = due(rules, batches.filling(batch), place.ledger.now(session))
        # Somebody else may have closed or filled it meanwhile.
        if batch.state is BatchState.OPEN and reason is not None:
            batches.close(place.ledger, session, batch, reason)
            point("closing.written")
            _log.info("%s closed with %d objects: %s", batch.id, batch.objects, reason)
    point("closing.closed")
