"""Who is away, and gets no jobs until they are back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.people_tables import Absence


def begin(tx: Transaction, person: str, until: datetime | None) -> Absence:
    """Record that somebody is away, until a time or until further notice; an earlier word of it no longer counts."""
    row = tx.get(Absence, person)
    if row is None or (row.until is not None and row.until <= tx.now):
        if row is not None:
            tx.delete(row)
            tx.flush()
        row = Absence(person=person, since=tx.now)
        tx.add(row)
    row.until = until
    record(tx, "away", f"{person}, {f'until {until:%Y-%m-%d %H:%M} UTC' if until else 'until further notice'}")
    return row


def end(tx: Transaction, person: str) -> bool:
    """Record that somebody is back; return False if they were not away."""
    was_away = person in current(tx)
    if (row := tx.get(Absence, person)) is not None:
        tx.delete(row)
    if was_away:
        record(tx, "back", person)
    return was_away


def current(tx: Transaction) -> Mapping[str, Absence]:
    """Return who is away now, by name."""
    rows = tx.scalars(select(Absence).order_by(Absence.person))
    return {row.person: row for row in rows if row.until is None or row.until > tx.now}
