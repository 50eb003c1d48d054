"""Problems: failures that concern no single batch, kept from the first to the last time they are met."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from labelyard.domain.causes import Kind
from labelyard.ledger.alert_tables import Problem, SignOfLife
from labelyard.ledger.database import Transaction, dialect_insert

HOUSEKEEPING = "housekeeping"
"""The name of housekeeping, which shows its life in the ledger."""


def record(
    tx: Transaction,
    kind: Kind,
    name: str,
    what: str,
    next_step: str,
    *,
    dataset: str | None = None,
    size: int | None = None,
) -> bool:
    """Record that a problem was met; return whether it is new. One of the same name and kind keeps its `since`."""
    now = tx.now
    values = {"dataset": dataset, "what": what, "next_step": next_step, "seen_at": now}
    # Not by the result's rowcount, which is -1 with PostgreSQL.
    added = (
        dialect_insert(tx, Problem)
        .values(kind=kind, name=name, since=now, size=size, **values)
        .on_conflict_do_nothing()
        .returning(Problem.name)
    )
    if tx.scalar(added) is not None:
        return True
    row = tx.get_one(Problem, (kind, name), with_for_update=True, populate_existing=True)
    row.dataset, row.what, row.next_step, row.seen_at = dataset, what, next_step, now
    return False


def clear(tx: Transaction, kind: Kind, name: str) -> None:
    """Record that a problem is over; without one, do nothing."""
    tx.execute(delete(Problem).where(Problem.kind == kind, Problem.name == name))


def clear_old(tx: Transaction, kind: Kind, age: timedelta) -> None:
    """Delete the problems of a kind that were not met for so long."""
    tx.execute(delete(Problem).where(Problem.kind == kind, Problem.seen_at < tx.now - age))


def present(tx: Transaction, *kinds: Kind) -> Sequence[Problem]:
    """Return the problems of these kinds, of all without any, the oldest first."""
    query = select(Problem).order_by(Problem.since, Problem.name)
    return tx.scalars(query.where(Problem.kind.in_(kinds)) if kinds else query).all()


def show_life(tx: Transaction, part: str) -> datetime | None:
    """Record that a part of labelyard does its work now; return when it last did, None if never."""
    now = tx.now
    last = last_life(tx, part)
    added = dialect_insert(tx, SignOfLife).values(part=part, at=now)
    tx.execute(added.on_conflict_do_update(index_elements=["part"], set_={"at": now}))
    return last


def last_life(tx: Transaction, part: str) -> datetime | None:
    """Return when a part of labelyard last did its work."""
    return tx.scalar(select(SignOfLife.at).where(SignOfLife.part == part))
