"""The dataset files that were written for a batch: generations of each format, one of them current."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select, update

from labelyard.ledger import Transaction
from labelyard.ledger.tables import Export

DEFAULT_FORMAT = "coco"
"""The format of every export, until a dataset file can name others."""


def current(tx: Transaction, batch_id: str, format_name: str) -> Export | None:
    """Return the current export of a batch and format; None before the first."""
    return tx.scalars(select(Export).where(*_of(batch_id, format_name), Export.current)).one_or_none()


def latest(tx: Transaction, batch_id: str) -> Sequence[Export]:
    """Return the current exports that hold the newest state of the task, one for each format.

    The export of a format that the dataset no longer writes stays current, and is out of date on purpose.
    """
    current = select(Export).where(Export.batch_id == batch_id, Export.current).order_by(Export.exported_at.desc())
    found = tx.scalars(current).all()
    return [export for export in found if export.task_updated == found[0].task_updated]


def next_generation(tx: Transaction, batch_id: str, format_name: str) -> int:
    """Return the generation of the next export of a batch and format, from 1."""
    return 1 + (tx.scalar(select(func.max(Export.generation)).where(*_of(batch_id, format_name))) or 0)


def add(tx: Transaction, export: Export) -> None:
    """Add an export and make it the current one of its batch and format."""
    tx.execute(update(Export).where(*_of(export.batch_id, export.format), Export.current).values(current=False))
    tx.add(export)


def of_batch(tx: Transaction, batch_id: str) -> Sequence[Export]:
    """Return all exports of a batch, oldest first."""
    return tx.scalars(select(Export).where(Export.batch_id == batch_id).order_by(Export.generation, Export.id)).all()


def _of(batch_id: str, format_name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Export.batch_id == batch_id, Export.format == format_name
