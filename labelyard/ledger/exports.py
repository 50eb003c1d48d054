"""The COCO files that were written for a batch: one generation after the other, one of them current."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update

from labelyard.ledger import Transaction
from labelyard.ledger.tables import Export


def current(tx: Transaction, batch: str) -> Export | None:
    """The batch's current export; None before the first."""
    return tx.scalars(select(Export).where(Export.batch_id == batch, Export.current)).one_or_none()


def next_generation(tx: Transaction, batch: str) -> int:
    """The number of the export that comes next, from 1."""
    return 1 + (tx.scalar(select(func.max(Export.generation)).where(Export.batch_id == batch)) or 0)


def add(tx: Transaction, export: Export) -> None:
    """Make an export the current one of its batch."""
    tx.execute(update(Export).where(Export.batch_id == export.batch_id).values(current=False))
    tx.add(export)


def of_batch(tx: Transaction, batch: str) -> Sequence[Export]:
    """All generations, oldest first."""
    return tx.scalars(select(Export).where(Export.batch_id == batch).order_by(Export.generation)).all()
