"""The tables of servers that fail: their circuit breakers, and their outages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from labelyard.ledger.declarative import Table, partial_index


class CircuitBreaker(Table):
    """The circuit breaker of a server that fails: while it is open no run starts, and work waits in the ledger."""

    __tablename__ = "circuit_breaker"

    server: Mapped[str] = mapped_column(primary_key=True)
    """The name of a CVAT in the settings, or `breakers.STORE`."""
    failures: Mapped[int]
    """Failures in a row; a success deletes the row."""
    since: Mapped[datetime]
    open_until: Mapped[datetime | None]
    """Until then no run may start; afterwards one run may try. None below `breakers.FAILURES_TO_OPEN`."""
    error: Mapped[str]


class Outage(Table):
    """A time in which a server was unavailable; at most one of each server has not ended."""

    __tablename__ = "outage"

    id: Mapped[int] = mapped_column(primary_key=True)
    server: Mapped[str]
    """The name of a CVAT in the settings, `breakers.STORE`, `outages.QUEUE` or `outages.PREFECT`."""
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    error: Mapped[str]
    seen_at: Mapped[datetime]
    """When it was last met; `outages.end_old` ends those that nobody meets any more."""

    __table_args__ = (partial_index("uq_outage_one_unended", "server", where="until IS NULL"),)
