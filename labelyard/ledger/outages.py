"""Outages: when a server was unavailable, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.tables import Outage

QUEUE = "queue"
"""The name of the queue of notifications among the servers."""
PREFECT = "Prefect"
"""The name of Prefect's API among the servers."""


def begin(tx: Transaction, server: str, error: str, *, since: datetime | None = None) -> None:
    """Record that a server is unavailable `since` then, by default now. In an outage only its error is updated."""
    # Inserted first, so that of two processes at the same time neither inserts a second row.
    first = dialect_insert(tx, Outage).values(server=server, since=since or tx.now, error=error)
    tx.execute(first.on_conflict_do_nothing())
    tx.execute(update(Outage).where(Outage.server == server, Outage.until.is_(None)).values(error=error))


def end(tx: Transaction, *servers: str) -> None:
    """Record that servers are available again."""
    tx.execute(update(Outage).where(Outage.server.in_(servers), Outage.until.is_(None)).values(until=tx.now))


def unended(tx: Transaction) -> Sequence[Outage]:
    """Return the outages of now."""
    return tx.scalars(select(Outage).where(Outage.until.is_(None)).order_by(Outage.server)).all()


def last_ends(tx: Transaction) -> Mapping[str, datetime]:
    """Return when the last outage of each server ended."""
    query = select(Outage.server, func.max(Outage.until)).where(Outage.until.is_not(None)).group_by(Outage.server)
    return {server: until for server, until in tx.execute(query) if until is not None}
