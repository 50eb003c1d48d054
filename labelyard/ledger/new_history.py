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
    """Where the reading has come to. It begins with the entries after the first call of `read`."""

    def __init__(self) -> None:
        self._after: int | None = None
        self._seen: set[int] = set()

    def read(self, tx: Transaction) -> Sequence[NewEntry]:
        """Return the entries that no earlier call has returned, oldest first."""
        if self._after is None:
            self._after = tx.scalar(select(func.max(History.id))) or 0
            return []
        columns = (History.id, History.at, History.dataset, History.batch_id, History.object_id, History.what)
        query = select(*columns).where(History.id > self._after).order_by(History.id).limit(_MOST)
        rows = tx.execute(query).all()
        entries = [
            NewEntry(number, at, dataset or "", batch, obj is not None, what)
            for number, at, dataset, batch, obj, what in rows
            if number not in self._seen
        ]
        self._settle([(row.id, row.at) for row in rows], tx.now - _SETTLED)
        return entries

    def _settle(self, rows: Sequence[tuple[int, datetime]], settled: datetime) -> None:
        assert self._after is not None, "the first call has set it"
        young = next((n for n, (_, at) in enumerate(rows) if at >= settled), len(rows))
        if young:
            self._after = rows[young - 1][0]
        self._seen = {number for number, _ in rows[young:]}


def states_of(tx: Transaction, batches: Collection[str]) -> Sequence[Reached]:
    """Return when these batches reached their states, oldest first."""
    query = select(History.id, History.batch_id, History.at, History.what).where(
        History.batch_id.in_(batches), History.object_id.is_(None), History.what.in_(_STATES)
    )
    rows = tx.execute(query.order_by(History.id))
    return [Reached(number, batch or "", at, BatchState(what)) for number, batch, at, what in rows]
