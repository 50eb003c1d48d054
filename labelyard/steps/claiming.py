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

from sqlalchemy.orm import Session

from labelyard.crashing import point
from labelyard.cvat import Cvat
from labelyard.errors import (
    CVAT_IS_AWAY,
    ClaimLost,
    CvatNotFound,
    LabelyardError,
    LedgerError,
    StoreError,
    StoreUnreachable,
)
from labelyard.ledger import Ledger, batches, breakers, claims, datasets
from labelyard.plan.lifecycle import INGESTING, BatchState
from labelyard.plan.waiting import doubled
from labelyard.spec import DatasetSpec
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=5)


@dataclass
class Work:
    """A batch that is ours for now, and what it takes to work on it."""

    place: Workplace
    batch_id: str
    who: str
    spec: DatasetSpec

    @property
    def ledger(self) -> Ledger:
        """The ledger that the batch stands in."""
        return self.place.ledger

    @cached_property
    def cvat(self) -> Cvat:
        """The CVAT of the batch's dataset; logs in when first used."""
        return self.place.cvat(self.spec.cvat)

    def check(self) -> None:
        """Make sure the batch is still ours, and keep it so for another lease. Raises ClaimLost.

        To be called before each write to CVAT or to the bucket.
        """
        with self.write():
            pass

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction of the ledger that is made only while the batch is ours. Raises ClaimLost."""
        with self.ledger.write() as session:
            claims.extend(self.ledger, session, self.batch_id, self.who, _lease(self.place))
            yield session


@contextmanager
def claimed(
    place: Workplace, batch_id: str, states: Collection[BatchState] = INGESTING, who: str = ""
) -> Iterator[Work]:
    """Own a batch for the length of a `with` block. Raises ClaimTaken when it is not to be had.

    A failure inside is written to the ledger before it goes on: what may succeed later waits, ever longer; what may
    not is failed until `labelyard retry`. A lost claim writes nothing.
    """
    who = who or f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    point("claiming.asked")
    with place.ledger.write() as session:
        batch = claims.claim(place.ledger, session, batch_id, who, states, _lease(place))
        spec = datasets.spec(session, batch.dataset, batch.version)
    work = Work(place, batch_id, who, spec)
    point("claiming.claimed")
    try:
        with _kept(work):
            yield work
        point("claiming.done")
        with place.ledger.write() as session:
            breakers.record_success(session, spec.cvat, breakers.STORE)
    except ClaimLost:
        raise
    except Exception as error:
        _write_failure(work, states, error)
        point("claiming.failed")
        raise
    finally:
        _give_back(work)
        point("claiming.released")


@contextmanager
def _kept(work: Work) -> Iterator[None]:
    """A thread that shows a sign of life while a step waits for somebody else."""
    done = Event()

    def keep() -> None:
        while not done.wait(_lease(work.place).total_seconds() / 3):
            try:
                work.check()
            except ClaimLost:
                return  # the step learns it from its own next check
            except LedgerError as error:
                _log.warning("%s: the lease could not be extended: %s", work.batch_id, error)

    # In the caller's context, so that its lines stand in the log of the caller's run.
    keeper = Thread(target=copy_context().run, args=(keep,), name=f"lease of {work.batch_id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _write_failure(work: Work, states: Collection[BatchState], error: Exception) -> None:
    again = f"labelyard retry {work.batch_id}"
    if isinstance(error, LabelyardError):
        what, next_step, retry = error.happened, error.next_step or again, _may_pass(error, states)
    else:
        what, next_step, retry = f"{type(error).__name__}: {error}", again, False
    with work.write() as session:
        batch = batches.get(session, work.batch_id, lock=True)
        if batch.state not in states:
            return  # the step has said all there is to say, or a person took the batch back while it ran
        if retry:
            wait = doubled(_FIRST_WAIT, batch.attempts, _LONGEST_WAIT)
            batches.put_back(work.ledger, session, batch, what, next_step, wait)
        else:
            batches.fail(work.ledger, session, batch, what, next_step)
        away = breakers.STORE if isinstance(error, StoreUnreachable) else work.spec.cvat
        if not isinstance(error, (*CVAT_IS_AWAY, StoreUnreachable)):
            breakers.record_success(session, work.spec.cvat, breakers.STORE)
        elif breakers.record_failure(work.ledger, session, away, what):
            _log.error("%s keeps failing and gets no work for now: %s", breakers.called(away), what)


def _may_pass(error: LabelyardError, states: Collection[BatchState]) -> bool:
    # A task that is gone before people have it is made anew: perhaps a run that came back from the dead deleted it.
    if isinstance(error, CvatNotFound):
        return set(states) <= set(INGESTING)
    # What the store refuses (a permission, a bucket, expired keys) is mended once for all batches, not batch by batch.
    return error.retry or isinstance(error, StoreError)


def _give_back(work: Work) -> None:
    try:
        with work.ledger.write() as session:
            claims.release(session, work.batch_id, work.who)
    except LedgerError as error:
        _log.warning("%s: not given back, the lease will run out: %s", work.batch_id, error)


def _lease(place: Workplace) -> timedelta:
    return timedelta(seconds=place.settings.lease_seconds)
