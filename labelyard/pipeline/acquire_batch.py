"""acquire_batch: lease a batch for a run, extend the lease while it works, and record how the run ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.backoff import exponential_backoff
from labelyard.domain.states import INGESTING, BatchState
from labelyard.errors import (
    CVAT_UNAVAILABLE,
    STORE_UNAVAILABLE,
    CvatBusy,
    CvatNotFound,
    LabelyardError,
    LeaseLost,
    LedgerError,
    StoreError,
)
from labelyard.failpoints import failpoint
from labelyard.ledger import Ledger, Transaction, batches, breakers, datasets, leases, tasks
from labelyard.ledger.tables import Batch
from labelyard.log_records import log_about
from labelyard.pipeline.lease import extended_in_background, new_holder

_log = logging.getLogger(__name__)
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_RETRY_AFTER = timedelta(hours=1)
_LONGEST_WAIT = timedelta(minutes=5)


@dataclass
class BatchLease:
    """The exclusive, expiring right to work on a batch, with the dataset file and the clients that the work needs."""

    context: Context
    batch_id: str
    holder: str
    spec: DatasetSpec
    manual: bool = False
    """Whether a person waits for the result."""
    uses_store: bool = True
    """Whether the work reads or writes object storage: only then its end says that the store answers."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of the context."""
        return self.context.ledger

    @cached_property
    def cvat(self) -> Cvat:
        """The CVAT of the batch's dataset."""
        return self.context.cvat(self.spec.cvat)

    @property
    def servers(self) -> Sequence[str]:
        """The servers that the work uses, as breakers know them."""
        return (self.spec.cvat, breakers.STORE) if self.uses_store else (self.spec.cvat,)

    def where(self, task_id: int | None) -> str:
        """Return the batch and its task, as errors name them."""
        return f"{self.batch_id}, task {task_id}"

    def check(self) -> None:
        """Extend the lease. Raises LeaseLost. Call it before each write to CVAT or to the bucket."""
        with self.transaction():
            pass

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction of the ledger that extends the lease. Raises LeaseLost."""
        with self.ledger.transaction() as tx:
            leases.extend(tx, self.batch_id, self.holder, _lease_length(self.context))
            yield tx


@contextmanager
def acquire_batch(
    context: Context,
    batch_id: str,
    states: Collection[BatchState] = INGESTING,
    holder: str = "",
    *,
    manual: bool = False,
    uses_store: bool = True,
) -> Iterator[BatchLease]:
    """Lease a batch for the length of a `with` block. Raises LeaseTaken if that is not possible now.

    A failure inside the block is recorded in the ledger and raised again. A failure that a retry may cure makes the
    batch wait, longer each time; any other one makes it failed until `labelyard retry`. LeaseLost records nothing.
    `manual` is for what a person does and waits for: a failure leaves the batch as it is, and a pause does not matter.
    Work that does not need object storage (`uses_store`) neither waits for it nor says that it answers.
    """
    lease = _acquire(context, batch_id, states, holder or new_holder(), manual=manual, uses_store=uses_store)
    try:
        seconds = context.settings.lease_seconds
        with (
            log_about(dataset=lease.spec.name, batch=batch_id),
            extended_in_background(lease.batch_id, lease.check, seconds),
        ):
            yield lease
        failpoint("acquire_batch.done")
        with context.ledger.transaction() as tx:
            breakers.record_success(tx, *lease.servers)
    except LeaseLost:
        raise
    except Exception as error:
        _record_failure(lease, states, error)
        failpoint("acquire_batch.failed")
        raise
    finally:
        _release(lease)
        failpoint("acquire_batch.released")


def resume_lease(context: Context, batch_id: str, holder: str) -> BatchLease:
    """Return the lease that `acquire_batch` took as `holder`, for a Prefect task of the same flow run.

    Raises LeaseLost if the batch has another holder.
    """
    with context.ledger.read_only() as tx:
        batch = batches.get(tx, batch_id)
        if batch.leased_by != holder:
            raise LeaseLost("the lease expired and another run may work on the batch", where=batch_id)
        spec = datasets.spec(tx, batch.dataset, batch.version)
    return BatchLease(context, batch_id, holder, spec)


def _acquire(
    context: Context,
    batch_id: str,
    states: Collection[BatchState],
    holder: str,
    *,
    manual: bool,
    uses_store: bool,
) -> BatchLease:
    failpoint("acquire_batch.requested")
    with context.ledger.transaction() as tx:
        length = _lease_length(context)
        batch = leases.acquire(tx, batch_id, holder, states, length, manual=manual, uses_store=uses_store)
        spec = datasets.spec(tx, batch.dataset, batch.version)
    failpoint("acquire_batch.acquired")
    return BatchLease(context, batch_id, holder, spec, manual, uses_store)


def _record_failure(lease: BatchLease, states: Collection[BatchState], error: Exception) -> None:
    what, next_step = f"{type(error).__name__}: {error}", ""
    if isinstance(error, LabelyardError):
        what, next_step = error.happened, error.next_step
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state not in states:
            return  # the step has recorded its failure itself, or a person changed the batch meanwhile
        _record_server_health(tx, lease, error, what)
        if lease.manual:
            return  # the person sees the error, and others go on with the batch
        if _retry_may_help(error, states):
            wait = exponential_backoff(_FIRST_WAIT, _failures(tx, batch), _LONGEST_WAIT)
            if isinstance(error, CvatBusy):
                wait = max(wait, min(timedelta(seconds=error.after), _LONGEST_RETRY_AFTER))
            batches.postpone(tx, batch, what, next_step, wait)
        else:
            batches.fail(tx, batch, what, next_step or f"labelyard retry {lease.batch_id}")


def _failures(tx: Transaction, batch: Batch) -> int:
    # A discarded task closes its batch again, which clears the batch's attempts.
    return max(batch.attempts, tasks.abandoned(tx, batch) - 1)


def _record_server_health(tx: Transaction, lease: BatchLease, error: Exception, what: str) -> None:
    """Count the failure against the server that caused it; a failure of the batch shows that both servers answer."""
    if not isinstance(error, (*CVAT_UNAVAILABLE, *STORE_UNAVAILABLE)):
        breakers.record_success(tx, *lease.servers)
        return
    server = breakers.STORE if isinstance(error, STORE_UNAVAILABLE) else lease.spec.cvat
    if breakers.record_failure(tx, server, what):
        _log.error("%s keeps failing and gets no work for now: %s", server, what)


def _retry_may_help(error: Exception, states: Collection[BatchState]) -> bool:
    if isinstance(error, CvatNotFound):
        # Before people have the task, a deleted one is created again: perhaps an earlier run deleted it late.
        return set(states) <= set(INGESTING)
    # What the store forbids (a permission, a bucket, expired keys) is fixed once for all batches, not for each.
    return isinstance(error, StoreError) or (isinstance(error, LabelyardError) and error.retry)


def _release(lease: BatchLease) -> None:
    try:
        with lease.ledger.transaction() as tx:
            leases.release(tx, lease.batch_id, lease.holder)
    except LedgerError as error:
        _log.warning("%s: the lease could not be released and will expire: %s", lease.batch_id, error)


def _lease_length(context: Context) -> timedelta:
    return timedelta(seconds=context.settings.lease_seconds)
