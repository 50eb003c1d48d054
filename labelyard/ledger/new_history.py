"""The new entries of the history, each read once: what metrics count.

Flow runs may be processes of a few seconds, which no one can scrape. What they did is in the history, and any process
that lives longer counts it from there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from labelyard.domain.states import BatchState
from labelyard.domain.step_durations import Reached
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import History

_SETTLED = timedelta(seconds=60)
"""After so long every transaction of that time has ended. Numbers are given before a commit, so a smaller one may
become visible after a larger one."""
_MOST = 100_000
"""Entries of one reading; the next one reads the others."""
_STATES = [state.value for state in BatchState]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry: of an object if `of_object`, else of a batch or a dataset as a whole."""

    id: int
    at: datetime
    dataset: str
    batch: str | None
    of_object: bool
    what: str


class NewHistory:
    """Where the reading has come to. It begins with the entries after the first call of `read`.

    Entries are read again until `advance` says that they are counted.
    """

    def __init__(self) -> None:
        self._after: int | None = None
        self._seen: set[int] = set()
        self._next: tuple[int, set[int]] | None = None

    def read(self, tx: Transaction) -> Sequence[NewEntry]:
        """Return the entries that came after those of the last `advance`, oldest first."""
        self._next = None
        if self._after is None:
            self._next = (tx.scalar(select(func.max(History.id))) or 0, set())
            return []
        columns = (History.id, History.at, History.dataset, History.batch_id, History.object_id, History.what)
        query = select(*columns).where(History.id > self._after).order_by(History.id).limit(_MOST)
        rows = tx.execute(query).all()
        entries = [
            NewEntry(number, at, dataset or "", batch, obj is not None, what)
            for number, at, dataset, batch, obj, what in rows
            if number not in self._seen
        ]
        settled = tx.now - _SETTLED
        young = next((n for n, row in enumerate(rows) if row.at >= settled), len(rows))
        self._next = (rows[young - 1].id if young else self._after, {row.id for row in rows[young:]})
        return entries

    def advance(self) -> None:
        """Go on after the entries of the last `read`; nothing if it failed."""
        if self._next is not None:
            (self._after, self._seen), self._next = self._next, None


def states_of(tx: Transaction, batches: Collection[str]) -> Sequence[Reached]:
    """Return when these batches reached their states, oldest first."""
    query = select(History.id, History.batch_id, History.at, History.what).where(
        History.batch_id.in_(batches), History.object_id.is_(None), History.what.in_(_STATES)
    )
    rows = tx.execute(query.order_by(History.id))
    return [Reached(number, batch or "", at, BatchState(what)) for number, batch, at, what in rows]
