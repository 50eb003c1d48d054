"""assign_waiting_jobs: assign jobs that had to wait, once somebody may get them, and send choices that a crash left.

Before that, jobs that somebody has left untouched for too long are given to others.

The oldest batch of a dataset comes first. What is chosen is decided under the batch's lease by `assign_jobs`; before
that the ledger, and who can get jobs on the CVAT, say whether there is anything to do.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

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
_AT_ONCE = 50
"""For so many batches one transaction records why their jobs wait; others wait for it meanwhile."""


def assign_waiting_jobs(
    context: Context, unavailable: Collection[str] = (), only: Collection[str] | None = None
) -> Sequence[str]:
    """Assign the jobs that somebody may get now; return the batches in which something was assigned.

    `unavailable` are CVATs that are not asked, `only` the datasets to look at (None: all). A batch that fails, or that
    somebody else works on, is left to the next call and stops no other one.
    """
    skipped, done = set(unavailable), []
    for batch in _due_batches(context, skipped, only):
        server = batch.cvat or ""
        if server in skipped:
            continue
        failpoint("assign_waiting_jobs.due")
        with log_about(dataset=batch.dataset, batch=batch.id):
            try:
                # As for reviews: a pause does not stop people, and a failure leaves the batch as it is.
                with acquire_batch(context, batch.id, (BatchState.ASSIGNED,), manual=True, uses_store=False) as lease:
                    reassign_untouched(lease)
                    if assign_jobs(lease, quality=False).sent:
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


def _due_batches(context: Context, skipped: set[str], only: Collection[str] | None) -> Sequence[Batch]:
    """Return the batches with something to assign, the oldest of each dataset first; a CVAT that fails is `skipped`."""
    with context.ledger.read_only() as tx:
        work = assignments.with_work(tx, _with_time_limit(tx))
    can_work: dict[str, Collection[str]] = {}
    found: set[str] = set()
    for dataset, server in work:
        if only is not None and dataset not in only:
            continue
        if server not in skipped and server not in can_work:
            try:
                can_work[server] = {user.username for user in context.cvat(server).assignable_users()}
            except LabelyardError as error:
                _log.warning("jobs on CVAT %s wait: %s", server, error)
                skipped.add(server)
        if server in skipped:
            continue
        with context.ledger.read_only() as tx:
            spec = datasets.spec(tx, dataset)
            present = [name for name in spec.annotators if name in can_work[server]]
            due = assignments.find_due(tx, dataset, server, present, spec.assignment.rules())
        found |= due.batches
        _record_reasons(context, dataset, due.reasons)
    with context.ledger.read_only() as tx:
        return sorted(batches.with_ids(tx, sorted(found)), key=lambda batch: (batch.dataset, batch.number))


def _with_time_limit(tx: Transaction) -> set[str]:
    return {one.name for one in datasets.current(tx, retired=True) if one.assignment.reassign_after is not None}


def _record_reasons(context: Context, dataset: str, reasons: Mapping[str, Mapping[int, str]]) -> None:
    """Record why jobs wait now, so that nobody reads of a person who is back, or has room."""
    ids = sorted(reasons)
    for first in range(0, len(ids), _AT_ONCE):
        with context.ledger.transaction() as tx:
            datasets.lock(tx, dataset)  # before the batches, as assign_jobs does
            assignments.record_reasons(tx, {batch: reasons[batch] for batch in ids[first : first + _AT_ONCE]})
