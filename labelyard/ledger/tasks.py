"""The tasks made for a batch: one attempt after the other, at most one of them not abandoned."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from labelyard.domain.naming import attempt_name
from labelyard.domain.states import BatchState, TaskState
from labelyard.errors import LedgerError
from labelyard.ledger import Transaction, batches
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Job, Task


def current(tx: Transaction, batch: str) -> Task | None:
    """The batch's task that counts; None before one was planned, or after it was abandoned."""
    return tx.scalars(select(Task).where(Task.batch_id == batch, Task.state != TaskState.ABANDONED)).one_or_none()


def of_batch(tx: Transaction, batch: str) -> Sequence[Task]:
    """Every task that was made, or planned, for a batch, oldest first."""
    return tx.scalars(select(Task).where(Task.batch_id == batch).order_by(Task.attempt)).all()


def made(tx: Transaction, batch: str) -> tuple[Task, int]:
    """The batch's task and its id on the server. Raises LedgerError before there is one."""
    row = current(tx, batch)
    if row is None or row.server_id is None:
        raise LedgerError("it has no task yet", where=batch, next_step=f"labelyard retry {batch}")
    return row, row.server_id


def of_dataset(tx: Transaction, dataset: str) -> Sequence[tuple[Task, Batch]]:
    """Every task that was ever made for a dataset, those given up too, with its batch."""
    query = select(Task, Batch).join(Batch, Batch.id == Task.batch_id).order_by(Task.id)
    rows = tx.execute(query.where(Batch.dataset == dataset, Task.server_id.is_not(None)))
    return [(task, batch) for task, batch in rows]


def plan(tx: Transaction, batch: Batch, cvat: str) -> Task:
    """Fix the name of the next attempt, before anything is sent."""
    attempt = 1 + (tx.scalar(select(func.max(Task.attempt)).where(Task.batch_id == batch.id)) or 0)
    assert batch.task_name is not None, "a closed batch has its task's name"
    row = Task(
        batch_id=batch.id,
        attempt=attempt,
        name=attempt_name(batch.task_name, attempt),
        state=TaskState.PLANNED,
        cvat=cvat,
    )
    tx.add(row)
    tx.flush()
    return row


def created(tx: Transaction, row_id: int, server_id: int, url: str) -> None:
    """The server has shown the task."""
    row = tx.get_one(Task, row_id)
    row.server_id, row.url, row.state = server_id, url, TaskState.CREATED


def upload_begins(tx: Transaction, row_id: int, files: int) -> None:
    """Files are about to be sent: from now on only a look at the server tells whether they may be sent again."""
    row = tx.get_one(Task, row_id)
    row.state, row.files, row.upload_begun_at = TaskState.UPLOADING, files, tx.now


def upload_never_began(tx: Transaction, row_id: int) -> None:
    """No connection was made: nothing was sent, and sending is safe."""
    row = tx.get_one(Task, row_id)
    row.state, row.upload_begun_at = TaskState.CREATED, None
    _holds_nothing(tx, row)


def uploaded(tx: Transaction, row_id: int, request_id: str) -> None:
    """The server has taken all files; `request_id` asks for its progress."""
    tx.get_one(Task, row_id).request_id = request_id


def proved(tx: Transaction, row_id: int) -> None:
    """The server has shown every file as a frame."""
    tx.get_one(Task, row_id).state = TaskState.VERIFIED


def abandon(tx: Transaction, row_id: int, reason: str) -> None:
    """Give a task up, and its jobs with it; what becomes of its batch is said by whoever asks."""
    row = tx.get_one(Task, row_id)
    row.state, row.reason = TaskState.ABANDONED, reason
    batch = batches.get(tx, row.batch_id, lock=True)
    record(tx, "abandoned", f"task {row.server_id} given up: {reason}", batch=batch)
    tx.execute(delete(Job).where(Job.batch_id == batch.id))
    _holds_nothing(tx, row)


def recreate(tx: Transaction, row_id: int, reason: str) -> None:
    """Give a task up; its batch is closed again, and the next attempt makes another one."""
    abandon(tx, row_id, reason)
    batch = batches.get(tx, tx.get_one(Task, row_id).batch_id, lock=True)
    if batch.state is not BatchState.CLOSED:
        batches.move(tx, batch, BatchState.CLOSED, "another task will be made")


def _holds_nothing(tx: Transaction, row: Task) -> None:
    """No object is in this task: what is put again under its key, or comes back, is new to it."""
    for member in batches.members(tx, row.batch_id):
        member.upload_name = None
