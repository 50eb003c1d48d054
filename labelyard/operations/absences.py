"""Somebody goes away or is back: they get no jobs meanwhile. What they have stays with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from labelyard.errors import InputError
from labelyard.ledger import Ledger, absences, datasets, jobs
from labelyard.ledger.database import Transaction


@dataclass(frozen=True)
class Away:
    """Somebody who is away, until when (None: until further notice), and how many unfinished jobs they have."""

    person: str
    since: datetime
    until: datetime | None
    open_jobs: int


@dataclass(frozen=True)
class Back:
    """Somebody who gets jobs again, and whether they were away."""

    person: str
    was_away: bool


def away(ledger: Ledger, person: str, until: datetime | None) -> Away:
    """Record that somebody gets no jobs until a time. Raises InputError for an unknown person and a time that is over.

    Reviews still go to them: who reviews is in the dataset file.
    """
    with ledger.transaction() as tx:
        _check_known(tx, person)
        if until is not None and until <= tx.now:
            raise InputError(f"{until:%Y-%m-%d %H:%M} UTC is over", where=person, next_step="name a later time")
        row = absences.begin(tx, person, until)
        return Away(person, row.since, row.until, jobs.open_by_assignee(tx).get(person, 0))


def back(ledger: Ledger, person: str) -> Back:
    """Record that somebody gets jobs again. Raises InputError if they are unknown."""
    with ledger.transaction() as tx:
        if person not in absences.current(tx):
            _check_known(tx, person)
        return Back(person, absences.end(tx, person))


def _check_known(tx: Transaction, person: str) -> None:
    known: Sequence[str] = sorted({name for spec in datasets.current(tx, retired=True) for name in spec.people})
    if person not in known:
        near = get_close_matches(person, known, n=1)
        raise InputError(
            f"no dataset file names {person!r} (known: {', '.join(known) or 'nobody'})",
            next_step=f"labelyard people away {near[0]}" if near else "write the user name as in the dataset file",
        )
