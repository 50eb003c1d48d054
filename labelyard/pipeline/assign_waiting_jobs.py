"""assign_waiting_jobs: assign jobs that had to wait, once somebody may get them, and send choices that a crash left.

Before that, jobs that somebody has left untouched for too long are given to others.

The oldest batch of a dataset comes first. What is chosen is decided under the batch's lease by `assign_jobs`; before
that the ledger alone says whether there is anything to do.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence

from labelyard.context import Context
from labelyard.domain.states import BatchState
from labelyard.errors import CVAT_UNAVAILABLE, LabelyardError, LeaseTaken, LedgerError
from labelyard.failpoints import failpoint
from labelyard.ledger import Transaction, assignments, batches, datasets
from labelyard.ledger.tables import Batch
from labelyard.log_records import log_about
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.reassign_untouched import reassign_untouched

_log = logging.getLogger(__name__)


def assign_waiting_jobs(context: Context, unavailable: Collection[str] = ()) -> Sequence[str]:
    """Assign the jobs that somebody may get now; return the batches in which something was assigned.

    `unavailable` are CVATs that are not asked. A batch that fails, or that somebody else works on, is left to the next
    call and stops no other one.
    """
    skipped, done = set(unavailable), []
    for batch in _with_work(context):
        server = batch.cvat or ""
        if server in skipped or not _is_due(context, batch):
            continue
        failpoint("assign_waiting_jobs.due")
        with log_about(dataset=batch.dataset, batch=batch.id):
            try:
                # As for reviews: a pause does not stop people, and a failure leaves the batch as it is.
                with acquire_batch(context, batch.id, (BatchState.ASSIGNED,), manual=True, uses_store=False) as lease:
                    reassign_untouched(lease)
                    assign_jobs(lease)
                done.append(batch.id)
            except LeaseTaken as error:
                _log.info("%s: its jobs wait: %s", batch.id, error.what)
            except LedgerError:
                raise
            except LabelyardError as error:
                _log.warning("%s: its jobs wait: %s", batch.id, error)
                if isinstance(error, CVAT_UNAVAILABLE):
                    skipped.add(server)
    return done


def _with_work(context: Context) -> Sequence[Batch]:
    """Return the batches that people work on in datasets with jobs that wait, the oldest of each first."""
    with context.ledger.read_only() as tx:
        names = {*assignments.datasets_with_work(tx), *_with_time_limit(tx)}
        found = [one for one in batches.in_states(tx, (BatchState.ASSIGNED,)) if one.dataset in names] if names else []
    return sorted(found, key=lambda batch: (batch.dataset, batch.number))


def _with_time_limit(tx: Transaction) -> Iterator[str]:
    yield from (one.name for one in datasets.current(tx, retired=True) if one.assignment.reassign_after is not None)


def _is_due(context: Context, batch: Batch) -> bool:
    with context.ledger.read_only() as tx:
        spec, fresh = datasets.spec(tx, batch.dataset), batches.get(tx, batch.id)
        rules = spec.assignment.rules()
        return fresh.state is BatchState.ASSIGNED and (
            assignments.can_be_assigned(tx, fresh, spec.annotators, rules)
            or assignments.can_be_replaced(tx, fresh, spec.annotators, rules)
        )
