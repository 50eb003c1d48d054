"""Servers that fail again and again: left alone for a while, so that work waits in the ledger, not in failing runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, CursorResult, delete, exists, select, update

from labelyard.domain.backoff import exponential_backoff
from labelyard.ledger import Transaction, insert_unless_there
from labelyard.ledger.tables import Batch, Breaker, OutboxEvent

STORE = "object storage"
"""The one server that is no CVAT: every batch needs it, too."""
T = TypeVar("T")
PATIENCE = 3
"""Failures in a row before a server is left alone."""
_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=5)
_BETWEEN_PROBES = timedelta(minutes=1)
_TRIAL = timedelta(seconds=30)


def record_failure(tx: Transaction, server: str, error: str) -> bool:
    """Count a failure that lies with the server, whoever met it; true when the server is left alone from now on."""
    now = tx.now
    first = insert_unless_there(tx, Breaker).values(server=server, failures=0, since=now, error=error)
    tx.execute(first.on_conflict_do_nothing())
    row = tx.get_one(Breaker, server, with_for_update=True, populate_existing=True)
    row.failures, row.error = row.failures + 1, error
    if row.failures >= PATIENCE:
        row.open_until = now + _wait(row)
    return row.failures == PATIENCE


def record_success(tx: Transaction, *servers: str) -> None:
    """The servers have answered: all is well again."""
    tx.execute(delete(Breaker).where(Breaker.server.in_(servers)))


def blocked_by(tx: Transaction, server: str) -> Breaker | None:
    """What keeps a run from beginning, None where nothing does: the server is well, or the wait is over.

    After the wait the breaker is half open: who asks first takes the one trial, and the others wait for its outcome.
    """
    row = tx.get(Breaker, server, populate_existing=True)
    if row is None or row.open_until is None:
        return None
    now = tx.now
    trial = tx.execute(
        update(Breaker)
        .where(Breaker.server == server, Breaker.open_until <= now)
        .values(open_until=now + _TRIAL)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(trial, CursorResult)
    return None if trial.rowcount else row


def may_probe(tx: Transaction, server: str) -> bool:
    """Whether somebody may ask a troubled server if it is back: when the wait is over, at the latest after a minute.

    A question costs no run. Where the answer is no the wait begins anew, so that no run has to try in a long outage.
    """
    now, row = tx.now, tx.get_one(Breaker, server, with_for_update=True, populate_existing=True)
    if row.open_until is not None:
        asked = row.open_until - _wait(row)
        if now < min(row.open_until, asked + _BETWEEN_PROBES):
            return False
        row.open_until = now + _wait(row)  # others need not ask meanwhile
    return True


def _wait(row: Breaker) -> timedelta:
    return exponential_backoff(_FIRST_WAIT, row.failures - PATIENCE, _LONGEST_WAIT)


def reachable(now: datetime) -> ColumnElement[bool]:
    """The condition that no server that a batch needs is left alone at this time."""
    return ~exists().where(Breaker.open_until > now, Breaker.server.in_([Batch.cvat, STORE]))


def one_for_each_trial(tx: Transaction, now: datetime, batches: Iterable[tuple[T, str]]) -> Iterator[T]:
    """Of what waits, each with its CVAT: all whose servers are well, and one for each server on trial.

    A server is on trial when its wait is over and nobody knows yet that it works again: only one run may try.
    """
    due = {row.server: not _announced_since(tx, row) for row in troubled(tx) if _on_trial(row, now)}
    for one, cvat in batches:
        trials = due.keys() & {cvat, STORE}
        if all(due[server] for server in trials):
            due.update(dict.fromkeys(trials, False))
            yield one


def _on_trial(row: Breaker, now: datetime) -> bool:
    return row.open_until is not None and row.open_until <= now


def _announced_since(tx: Transaction, row: Breaker) -> bool:
    """Whether a batch of the server was announced after its wait was over: that one's run is to try."""
    sent = select(OutboxEvent.id).join(Batch).where(OutboxEvent.sent_at >= row.open_until).limit(1)
    return tx.scalar(sent if row.server == STORE else sent.where(Batch.cvat == row.server)) is not None


def called(server: str) -> str:
    """What people call it."""
    return server if server == STORE else f"CVAT {server}"


def open_servers(tx: Transaction, now: datetime) -> set[str]:
    """The servers that are left alone at this time."""
    return set(tx.scalars(select(Breaker.server).where(Breaker.open_until > now)))


def troubled(tx: Transaction) -> Sequence[Breaker]:
    """The servers that are left alone, or were just now, with what they said."""
    return tx.scalars(select(Breaker).where(Breaker.failures >= PATIENCE).order_by(Breaker.server)).all()
