"""What metrics and `status` count: batches by state, what waits and since when. Each query reads an index.

Finished batches are many and are counted by state alone; everything else concerns the unfinished ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from labelyard.domain.deadlines import STAGES
from labelyard.domain.states import BatchState
from labelyard.ledger import breakers, dead_letters, outages, outbox
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import Batch, Dataset

UNFINISHED = (BatchState.OPEN, *STAGES, BatchState.FAILED)
"""States in which a batch still has to become a dataset file."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The unfinished batches of a dataset in one state: how many, with how many objects, since when the oldest."""

    dataset: str
    state: BatchState
    batches: int
    objects: int
    since: datetime
    leased: int
    """How many a run works on now."""
    with_error: int


@dataclass(frozen=True, slots=True)
class Measures:
    """The figures of one moment, on the database's clock."""

    at: datetime
    states: Mapping[BatchState, int]
    """How many batches of all datasets are in each state."""
    unfinished: Sequence[Unfinished]
    paused: Mapping[str, bool]
    """By dataset; without retired ones."""
    dead_letters: int
    dead_letters_since: datetime | None
    unpublished: int
    unpublished_since: datetime | None
    servers: Mapping[str, bool]
    """Whether each server is available, as far as is known; by the names of outages."""


def read_measures(tx: Transaction) -> Measures:
    """Return the figures."""
    unpublished, unpublished_since = outbox.waiting(tx)
    return Measures(
        at=tx.now,
        states=batches_by_state(tx),
        unfinished=_unfinished(tx),
        paused=_paused(tx),
        dead_letters=dead_letters.count(tx),
        dead_letters_since=dead_letters.oldest(tx),
        unpublished=unpublished,
        unpublished_since=unpublished_since,
        servers=_servers(tx),
    )


def batches_by_state(tx: Transaction, dataset: str | None = None) -> Mapping[BatchState, int]:
    """Return how many batches of a dataset, by default of all, are in each state."""
    counted = select(Batch.state, func.count()).group_by(Batch.state)
    rows = tx.execute(counted.where(Batch.dataset == dataset) if dataset else counted)
    return {state: count for state, count in rows}  # noqa: C416 - rows are no pairs to mypy


def _unfinished(tx: Transaction) -> Sequence[Unfinished]:
    leased = func.sum(case((Batch.leased_until > tx.now, 1), else_=0))
    with_error = func.sum(case((Batch.error.is_not(None), 1), else_=0))
    rows = tx.execute(
        select(
            Batch.dataset, Batch.state, func.count(), func.sum(Batch.objects), func.min(Batch.changed_at),
            leased, with_error,
        )
        .where(Batch.state.in_(UNFINISHED))
        .group_by(Batch.dataset, Batch.state)
        .order_by(Batch.dataset, Batch.state)
    )  # fmt: skip
    return [
        Unfinished(dataset, state, count, int(objects or 0), since, int(at_work or 0), int(errors or 0))
        for dataset, state, count, objects, since, at_work, errors in rows
    ]


def _paused(tx: Transaction) -> Mapping[str, bool]:
    rows = tx.execute(select(Dataset.name, Dataset.paused_at).where(Dataset.retired_at.is_(None)))
    return {name: at is not None for name, at in rows}


def _servers(tx: Transaction) -> Mapping[str, bool]:
    known = tx.scalars(select(Batch.cvat).where(Batch.state.in_(UNFINISHED), Batch.cvat.is_not(None)).distinct())
    away = {row.server for row in outages.unended(tx)} | {row.server for row in breakers.failing(tx)}
    names = {name for name in known if name} | {breakers.STORE, outages.QUEUE, outages.PREFECT} | away
    return {name: name not in away for name in sorted(names)}
