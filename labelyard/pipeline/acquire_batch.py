"""Owning a batch while working on it, and leaving it in a state that says what happened."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from threading import Event, Thread
from uuid import uuid4

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.backoff import exponential_backoff
from labelyard.domain.states import INGESTING, BatchState
from labelyard.errors import (
    CVAT_IS_AWAY,
    CvatNotFound,
    LabelyardError,
    LeaseLost,
    LedgerError,
    StoreError,
    StoreUnreachable,
)
from labelyard.failpoints import failpoint
from labelyard.ledger import Ledger, Transaction, batches, breakers, datasets, leases

_log = logging.getLogger(__name__)
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=5)


@dataclass
class BatchLease:
    """A batch that is ours for now, and what it takes to work on it."""

    context: Context
    batch_id: str
    holder: str
    spec: DatasetSpec

    @property
    def ledger(self) -> Ledger:
        """The ledger that the batch stands in."""
        return self.context.ledger

    @cached_property
    def cvat(self) -> Cvat:
        """The CVAT of the batch's dataset; logs in when first used."""
        return self.context.cvat(self.spec.cvat)

    def check(self) -> None:
        """Make sure the batch is still ours, and keep it so for another lease. Raises ClaimLost.

        To be called before each write to CVAT or to the bucket.
        """
        with self.transaction():
            pass

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction of the ledger that is made only while the batch is ours. Raises ClaimLost."""
        with self.ledger.transaction() as tx:
            leases.extend(tx, self.batch_id, self.holder, _lease(self.context))
            yield tx


@contextmanager
def acquire_batch(
    context: Context, batch_id: str, states: Collection[BatchState] = INGESTING, holder: str = ""
) -> Iterator[BatchLease]:
    """Own a batch for the length of a `with` block. Raises ClaimTaken when it is not to be had.

    A failure inside is written to the ledger before it goes on: what may succeed later waits, ever longer; what may
    not is failed until `labelyard retry`. A lost claim writes nothing.
    """
    holder = holder or f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    failpoint("acquire_batch.requested")
    with context.ledger.transaction() as tx:
        batch = leases.acquire(tx, batch_id, holder, states, _lease(context))
        spec = datasets.spec(tx, batch.dataset, batch.version)
    lease = BatchLease(context, batch_id, holder, spec)
    failpoint("acquire_batch.acquired")
    try:
        with _kept(lease):
            yield lease
        failpoint("acquire_batch.done")
        with context.ledger.transaction() as tx:
            breakers.record_success(tx, spec.cvat, breakers.STORE)
    except LeaseLost:
        raise
    except Exception as error:
        _write_failure(lease, states, error)
        failpoint("acquire_batch.failed")
        raise
    finally:
        _give_back(lease)
        failpoint("acquire_batch.released")


def resume_lease(context: Context, batch_id: str, holder: str) -> BatchLease:
    """Return the lease that `acquire_batch` took as `holder`, for a Prefect task of the same flow run.

    Raises LeaseLost when the batch has another holder by now.
    """
    with context.ledger.read_only() as tx:
        batch = batches.get(tx, batch_id)
        if batch.leased_by != holder:
            raise LeaseLost("the lease ran out and another run may be at work", where=batch_id)
        spec = datasets.spec(tx, batch.dataset, batch.version)
    return BatchLease(context, batch_id, holder, spec)


@contextmanager
def _kept(lease: BatchLease) -> Iterator[None]:
    """A thread that shows a sign of life while a step waits for somebody else."""
    done = Event()

    def keep() -> None:
        while not done.wait(_lease(lease.context).total_seconds() / 3):
            try:
                lease.check()
            except LeaseLost:
                return  # the step learns it from its own next check
            except LedgerError as error:
                _log.warning("%s: the lease could not be extended: %s", lease.batch_id, error)

    # In the caller's context, so that its lines stand in the log of the caller's run.
    keeper = Thread(target=copy_context().run, args=(keep,), name=f"lease of {lease.batch_id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _write_failure(lease: BatchLease, states: Collection[BatchState], error: Exception) -> None:
    again = f"labelyard retry {lease.batch_id}"
    if isinstance(error, LabelyardError):
        what, next_step, retry = error.happened, error.next_step or again, _may_pass(error, states)
    else:
        what, next_step, retry = f"{type(error).__name__}: {error}", again, False
    with lease.transaction() as tx:
        batch = batches.get(tx, lease.batch_id, lock=True)
        if batch.state not in states:
            return  # the step has said all there is to say, or a person took the batch back while it ran
        if retry:
            wait = exponential_backoff(_FIRST_WAIT, batch.attempts, _LONGEST_WAIT)
            batches.postpone(tx, batch, what, next_step, wait)
        else:
            batches.fail(tx, batch, what, next_step)
        away = breakers.STORE if isinstance(error, StoreUnreachable) else lease.spec.cvat
        name = away if away == breakers.STORE else f"CVAT {away}"
        if not isinstance(error, (*CVAT_IS_AWAY, StoreUnreachable)):
            breakers.record_success(tx, lease.spec.cvat, breakers.STORE)
        elif breakers.record_failure(tx, away, what):
            _log.error("%s keeps failing and gets no work for now: %s", name, what)


def _may_pass(error: LabelyardError, states: Collection[BatchState]) -> bool:
    # A task that is gone before people have it is made anew: perhaps a run that came back from the dead deleted it.
    if isinstance(error, CvatNotFound):
        return set(states) <= set(INGESTING)
    # What the store refuses (a permission, a bucket, expired keys) is mended once for all batches, not batch by batch.
    return error.retry or isinstance(error, StoreError)


def _give_back(lease: BatchLease) -> None:
    try:
        with lease.ledger.transaction() as tx:
            leases.release(tx, lease.batch_id, lease.holder)
    except LedgerError as error:
        _log.warning("%s: not given back, the lease will run out: %s", lease.batch_id, error)


def _lease(context: Context) -> timedelta:
    return timedelta(seconds=context.settings.lease_seconds)
