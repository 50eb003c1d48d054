"""The history: what happened and why. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import Batch, History, Object


def record(
    tx: Transaction,
    what: str,
    reason: str,
    *,
    batch: Batch | None = None,
    obj: Object | None = None,
    dataset: str | None = None,
) -> None:
    """Add what happened (`registered`, `closed`, `assigned`, …) and why, to an object, a batch or a dataset."""
    tx.add(
        History(
            at=tx.now,
            dataset=dataset or (batch.dataset if batch else obj.dataset if obj else None),
            batch_id=batch.id if batch else obj.batch_id if obj else None,
            object_id=obj.id if obj else None,
            what=what,
            reason=reason,
        )
    )


def record_each(tx: Transaction, what: str, reason: str, objects: Sequence[Object]) -> None:
    """Add the same entry for many objects, in one statement."""
    now = tx.now
    tx.execute(
        insert(History),
        [
            {"at": now, "dataset": o.dataset, "batch_id": o.batch_id, "object_id": o.id, "what": what, "reason": reason}
            for o in objects
        ],
    )


@dataclass(frozen=True)
class HistoryEntry:
    """One entry of a history: when, what and why."""

    at: datetime
    what: str
    reason: str


def of_object(tx: Transaction, obj: Object) -> list[HistoryEntry]:
    """Return the entries of an object and of its batch as a whole, oldest first."""
    of_it = (History.object_id == obj.id) | ((History.batch_id == obj.batch_id) & History.object_id.is_(None))
    rows = tx.scalars(select(History).where(of_it).order_by(History.id))
    return [HistoryEntry(row.at, row.what, row.reason) for row in rows]


def of_batch(tx: Transaction, batch_id: str) -> list[HistoryEntry]:
    """Return the entries of a batch as a whole, oldest first."""
    rows = tx.scalars(
        select(History).where(History.batch_id == batch_id, History.object_id.is_(None)).order_by(History.id)
    )
    return [HistoryEntry(row.at, row.what, row.reason) for row in rows]
