"""Circuit breakers: while a server keeps failing no run starts, and work waits in the ledger, not in failing runs.

A breaker opens after FAILURES_TO_OPEN failures in a row. When its wait is over it is half open: one run may try. A
success closes it; another failure opens it again, for twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, CursorResult, delete, exists, select, update

from labelyard.domain.backoff import exponential_backoff
from labelyard.ledger import outages
from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.server_tables import CircuitBreaker
from labelyard.ledger.tables import Batch, OutboxEvent

STORE = "object storage"
"""The name of the object storage among the servers; the others are CVATs. Every batch needs it."""
T = TypeVar("T")
FAILURES_TO_OPEN = 3
"""Failures in a row that open a breaker."""
_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=5)
_BETWEEN_PROBES = timedelta(minutes=1)
_TRIAL = timedelta(seconds=30)
"""How long other runs wait for the outcome of a trial."""
_LOST_TRIAL = timedelta(minutes=5)
"""After so long without an outcome a published event counts as a trial no more: its run was lost, or had to wait."""


def record_failure(tx: Transaction, server: str, error: str) -> bool:
    """Count a failure of a server; return True when this failure opens its breaker."""
    now = tx.now
    # Inserted first, so that of two first failures at the same time neither inserts a second row.
    first = dialect_insert(tx, CircuitBreaker).values(server=server, failures=0, since=now, error=error)
    tx.execute(first.on_conflict_do_nothing())
    row = tx.get_one(CircuitBreaker, server, with_for_update=True, populate_existing=True)
    row.failures, row.error = row.failures + 1, error
    if row.failures >= FAILURES_TO_OPEN:
        row.open_until = now + _wait(row)
        outages.begin(tx, server, error, since=row.since)
    return row.failures == FAILURES_TO_OPEN


def record_success(tx: Transaction, *servers: str) -> None:
    """Close the breakers of servers that have answered."""
    closed = tx.execute(delete(CircuitBreaker).where(CircuitBreaker.server.in_(servers)))
    assert isinstance(closed, CursorResult)
    if closed.rowcount:
        outages.end(tx, *servers)


def blocked_by(tx: Transaction, server: str) -> CircuitBreaker | None:
    """Return the open breaker that forbids a run to start, None where it may start.

    When the wait is over, the first caller gets the one trial; the others wait for its outcome.
    """
    row = tx.get(CircuitBreaker, server, populate_existing=True)
    if row is None or row.open_until is None:
        return None
    now = tx.now
    trial = tx.execute(
        update(CircuitBreaker)
        .where(CircuitBreaker.server == server, CircuitBreaker.open_until <= now)
        .values(open_until=now + _TRIAL)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(trial, CursorResult)
    return None if trial.rowcount else row


def may_probe(tx: Transaction, server: str) -> bool:
    """Return whether a failing server may be probed now: when its wait is over, but at least once a minute.

    A probe needs no run. It restarts the wait, so that in a long outage no run has to try.
    """
    now, row = tx.now, tx.get_one(CircuitBreaker, server, with_for_update=True, populate_existing=True)
    if row.open_until is not None:
        last_probe = row.open_until - _wait(row)
        if now < min(row.open_until, last_probe + _BETWEEN_PROBES):
            return False
        row.open_until = now + _wait(row)  # so that no other process probes meanwhile
    return True


def _wait(row: CircuitBreaker) -> timedelta:
    return exponential_backoff(_FIRST_WAIT, row.failures - FAILURES_TO_OPEN, _LONGEST_WAIT)


def servers_available(now: datetime) -> ColumnElement[bool]:
    """Return the condition that every server of a batch is available: none has an open breaker."""
    return ~exists().where(CircuitBreaker.open_until > now, CircuitBreaker.server.in_([Batch.cvat, STORE]))


def servers_work() -> ColumnElement[bool]:
    """Return the condition that no server of a batch fails: none has an open or half-open breaker."""
    return ~exists().where(CircuitBreaker.failures >= FAILURES_TO_OPEN, CircuitBreaker.server.in_([Batch.cvat, STORE]))


def limit_trials(tx: Transaction, now: datetime, batches: Iterable[tuple[T, str]]) -> Iterator[T]:
    """Yield the batches (given with their CVATs) that may run: of each half-open server only one.

    A server is half open when its wait is over and no run has shown yet that it works again.
    """
    free = {row.server: not _has_trial(tx, row, now) for row in failing(tx) if _is_half_open(row, now)}
    for one, cvat in batches:
        trials = free.keys() & {cvat, STORE}
        if all(free[server] for server in trials):
            free.update(dict.fromkeys(trials, False))
            yield one


def _is_half_open(row: CircuitBreaker, now: datetime) -> bool:
    return row.open_until is not None and row.open_until <= now


def _has_trial(tx: Transaction, row: CircuitBreaker, now: datetime) -> bool:
    """Return whether an event of the server's batches was published lately, after the wait: its run is the trial."""
    assert row.open_until is not None, "it is half open"
    since = max(row.open_until, now - _LOST_TRIAL)
    published = select(OutboxEvent.id).join(Batch).where(OutboxEvent.published_at >= since).limit(1)
    return tx.scalar(published if row.server == STORE else published.where(Batch.cvat == row.server)) is not None


def open_servers(tx: Transaction, now: datetime) -> set[str]:
    """Return the servers whose breakers are open."""
    return set(tx.scalars(select(CircuitBreaker.server).where(CircuitBreaker.open_until > now)))


def failing(tx: Transaction) -> Sequence[CircuitBreaker]:
    """Return the breakers that are open or half open, with the last errors."""
    return tx.scalars(
        select(CircuitBreaker).where(CircuitBreaker.failures >= FAILURES_TO_OPEN).order_by(CircuitBreaker.server)
    ).all()


def server_label(server: str) -> str:
    """Return the name of a server for people: "object storage", "queue", "Prefect" or "CVAT NAME"."""
    return server if server in (STORE, outages.QUEUE, outages.PREFECT) else f"CVAT {server}"
