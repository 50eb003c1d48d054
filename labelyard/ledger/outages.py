"""Outages: when a server was unavailable, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.server_tables import CircuitBreaker, Outage

QUEUE = "queue"
"""The name of the queue of notifications among the servers."""
PREFECT = "Prefect"
"""The name of Prefect's API among the servers."""


def begin(tx: Transaction, server: str, error: str, *, since: datetime | None = None) -> None:
    """Record that a server is unavailable `since` then, by default now; `end_old` ends what is not recorded again.

    In an outage only its error is updated, and when it was last met.
    """
    now = tx.now
    # Inserted first, so that of two processes at the same time neither inserts a second row.
    first = dialect_insert(tx, Outage).values(server=server, since=since or now, error=error, seen_at=now)
    tx.execute(first.on_conflict_do_nothing())
    met = update(Outage).where(Outage.server == server, Outage.until.is_(None))
    tx.execute(met.values(error=error, seen_at=now))


def end(tx: Transaction, *servers: str) -> None:
    """Record that servers are available again."""
    tx.execute(update(Outage).where(Outage.server.in_(servers), Outage.until.is_(None)).values(until=tx.now))


def end_old(tx: Transaction, age: timedelta) -> None:
    """End the outages that were not met for so long: the watcher that met them is gone, or has another queue.

    Servers with an open breaker are left out: nothing asks them while housekeeping is dead, and a probe ends them.
    """
    probed = select(CircuitBreaker.server).where(CircuitBreaker.open_until.is_not(None))
    old = (Outage.until.is_(None), Outage.seen_at < tx.now - age, Outage.server.not_in(probed))
    tx.execute(update(Outage).where(*old).values(until=tx.now))


def unended(tx: Transaction) -> Sequence[Outage]:
    """Return the outages of now."""
    return tx.scalars(select(Outage).where(Outage.until.is_(None)).order_by(Outage.server)).all()


def times_since(tx: Transaction, since: datetime) -> Mapping[str, int]:
    """Return how often each server was unavailable `since` then, an outage that had begun before included."""
    lately = Outage.until.is_(None) | (Outage.until >= since)
    return dict(tx.execute(select(Outage.server, func.count()).where(lately).group_by(Outage.server)).tuples().all())


def last_ended(tx: Transaction) -> Mapping[str, tuple[datetime, datetime]]:
    """Return the last outage of each server that has ended: since when and until when."""
    last = select(func.max(Outage.until)).where(Outage.until.is_not(None)).group_by(Outage.server)
    query = select(Outage.server, Outage.since, Outage.until).where(Outage.until.in_(last)).order_by(Outage.until)
    return {server: (since, until) for server, since, until in tx.execute(query) if until is not None}
