"""The pre-annotations of tasks: begun, sent, imported or skipped, once for each task."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from labelyard.domain.preannotation import PreannotationState
from labelyard.domain.states import TaskState
from labelyard.errors import LedgerError
from labelyard.ledger import batches
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.preannotation_tables import Preannotation
from labelyard.ledger.tables import Task


def of_task(tx: Transaction, task_id: int) -> Preannotation | None:
    """Return the pre-annotation of a task's row; None before it has begun."""
    return tx.get(Preannotation, task_id)


def of_batch(tx: Transaction, batch_id: str) -> Preannotation | None:
    """Return the pre-annotation of the batch's live task; None if it has none."""
    query = select(Preannotation).join(Task, Task.id == Preannotation.task_id)
    return tx.scalars(query.where(Task.batch_id == batch_id, Task.state != TaskState.ABANDONED)).one_or_none()


def begin(tx: Transaction, task_id: int, batch_id: str, source: str) -> Preannotation:
    """Record that predictions are asked for, and return the row; an earlier run may have begun."""
    row = of_task(tx, task_id)
    if row is None:
        row = Preannotation(
            task_id=task_id, batch_id=batch_id, state=PreannotationState.ASKING, source=source, begun_at=tx.now
        )
        tx.add(row)
        tx.flush()
    return row


def mark_sending(tx: Transaction, task_id: int, shapes: bytes, predicted: int, warning: str | None) -> None:
    """Record the shapes that will be sent, before anything is sent."""
    row = _unfinished(tx, task_id)
    row.state, row.shapes, row.predicted, row.warning = PreannotationState.SENDING, shapes, predicted, warning


def record_request(tx: Transaction, task_id: int) -> None:
    """Record that a request with the shapes is sent now, before it is sent."""
    _unfinished(tx, task_id).sent_at = tx.now


def record_wait(tx: Transaction, task_id: int, reason: str) -> None:
    """Record why nothing is sent for now."""
    _unfinished(tx, task_id).reason = reason


def mark_imported(tx: Transaction, task_id: int, shapes: bytes, predicted: int, reason: str | None) -> Preannotation:
    """Record the shapes that CVAT has, and why they are not all of them; return the row."""
    row = _unfinished(tx, task_id)
    row.state, row.finished_at, row.reason = PreannotationState.IMPORTED, tx.now, reason
    row.shapes, row.predicted = shapes, predicted
    _record(tx, row, "; ".join(filter(None, (f"{predicted} predictions from {row.source}", reason, row.warning))))
    return row


def mark_skipped(tx: Transaction, task_id: int, reason: str, warning: str | None = None) -> Preannotation:
    """Record that people label without predictions, and why; return the row."""
    row = _unfinished(tx, task_id)
    row.state, row.finished_at, row.reason = PreannotationState.SKIPPED, tx.now, reason
    row.warning, row.shapes, row.predicted = warning or row.warning, None, 0
    _record(tx, row, f"without predictions: {reason}" + (f"; {row.warning}" if row.warning else ""))
    return row


def record_corrections(tx: Transaction, batch_id: str, corrections: dict[str, Any]) -> None:
    """Record what people made of the predictions, as an export has found it."""
    if (row := of_batch(tx, batch_id)) is not None:
        row.corrections = corrections


def shortcoming(row: Preannotation) -> str | None:
    """Return in words why people label without predictions, or without some; None if they have all, or will."""
    if row.state is PreannotationState.SKIPPED:
        return "; ".join(filter(None, (f"people label without predictions: {row.reason}", row.warning)))
    return "; ".join(filter(None, (row.reason, row.warning))) or None


def _unfinished(tx: Transaction, task_id: int) -> Preannotation:
    row = of_task(tx, task_id)
    if row is None:
        raise LedgerError("its task is abandoned")
    if row.state.is_final:
        raise LedgerError(f"its predictions are {row.state} already", where=row.batch_id)
    return row


def _record(tx: Transaction, row: Preannotation, reason: str) -> None:
    record(tx, "preannotated", reason, batch=batches.get(tx, row.batch_id))
