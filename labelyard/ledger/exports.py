"""The dataset files that were written for a batch: generations of each format, one of them current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, select, update

from labelyard.ledger import Transaction
from labelyard.ledger.tables import Batch, Export

DEFAULT_FORMAT = "coco"
"""The format of a dataset file that names none; its keys do not name it."""

_UNFINISHED = Export.exported_at.is_(None)


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


def drawn(tx: Transaction, dataset: str) -> dict[str, int]:
    """Return how many annotations of each label people drew in the tasks of the current exports."""
    query = select(Export).join(Batch, Batch.id == Export.batch_id).where(Batch.dataset == dataset, Export.current)
    accounts = {row.batch_id: row.account for row in tx.scalars(query.order_by(Export.id)) if row.account}
    found: Counter[str] = Counter()
    for account in accounts.values():  # each format of a batch has the same ones
        for labels in account["drawn"].values():
            found.update(labels)
    return dict(found)


def next_generation(tx: Transaction, batch_id: str) -> int:
    """Return the generation of the next export of a batch, from 1; all its formats share it."""
    finished = select(func.max(Export.generation)).where(Export.batch_id == batch_id, Export.exported_at.is_not(None))
    return 1 + (tx.scalar(finished) or 0)


def add_unfinished(tx: Transaction, export: Export) -> Export:
    """Record a file that is about to be uploaded, so that the ledger knows every file in the bucket. Return its row.

    It replaces the row that a run left which died after it had written the same main file.
    """
    tx.execute(delete(Export).where(Export.batch_id == export.batch_id, Export.key == export.key, _UNFINISHED))
    tx.add(export)
    tx.flush()
    return export


def finish(tx: Transaction, export_id: int) -> Export:
    """Make an export, whose file is in the bucket now, the current one of its batch and format."""
    export = tx.get_one(Export, export_id)
    tx.execute(update(Export).where(*_of(export.batch_id, export.format), Export.current).values(current=False))
    export.exported_at, export.current = tx.now, True
    return export


def of_batch(tx: Transaction, batch_id: str) -> Sequence[Export]:
    """Return all finished exports of a batch, oldest first."""
    query = select(Export).where(Export.batch_id == batch_id, Export.exported_at.is_not(None))
    return tx.scalars(query.order_by(Export.generation, Export.id)).all()


def unfinished(tx: Transaction, batch_id: str) -> Sequence[Export]:
    """Return the exports of a batch that were never finished: their files may be in the bucket, and are no dataset."""
    return tx.scalars(select(Export).where(Export.batch_id == batch_id, _UNFINISHED).order_by(Export.id)).all()


def _of(batch_id: str, format_name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Export.batch_id == batch_id, Export.format == format_name
