"""The tasks made for a batch: one attempt after the other, at most one of them not abandoned."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from labelyard.errors import LedgerError
from labelyard.ledger import Ledger, batches
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Batch, Job, Task
from labelyard.plan.lifecycle import BatchState, TaskState
from labelyard.plan.naming import attempt_name


def current(session: Session, batch: str) -> Task | None:
    """The batch's task that counts; None before one was planned, or after it was abandoned."""
    return session.scalars(select(Task).where(Task.batch_id == batch, Task.state != TaskState.ABANDONED)).one_or_none()


def of_batch(session: Session, batch: str) -> Sequence[Task]:
    """Every task that was made, or planned, for a batch, oldest first."""
    return session.scalars(select(Task).where(Task.batch_id == batch).order_by(Task.attempt)).all()


def made(session: Session, batch: str) -> tuple[Task, int]:
    """The batch's task and its id on the server. Raises LedgerError before there is one."""
    row = current(session, batch)
    if row is None or row.server_id is None:
        raise LedgerError("it has no task yet", where=batch, next_step=f"labelyard retry {batch}")
    return row, row.server_id


def of_dataset(session: Session, dataset: str) -> Sequence[tuple[Task, Batch]]:
    """Every task that was ever made for a dataset, those given up too, with its batch."""
    query = select(Task, Batch).join(Batch, Batch.id == Task.batch_id).order_by(Task.id)
    rows = session.execute(query.where(Batch.dataset == dataset, Task.server_id.is_not(None)))
    return [(task, batch) for task, batch in rows]


def plan(session: Session, batch: Batch, cvat: str) -> Task:
    """Fix the name of the next attempt, before anything is sent."""
    attempt = 1 + (session.scalar(select(func.max(Task.attempt)).where(Task.batch_id == batch.id)) or 0)
    assert batch.task_name is not None, "a closed batch has its task's name"
    row = Task(
        batch_id=batch.id,
        attempt=attempt,
        name=attempt_name(batch.task_name, attempt),
        state=TaskState.PLANNED,
        cvat=cvat,
    )
    session.add(row)
    session.flush()
    return row


def created(session: Session, row_id: int, server_id: int, url: str) -> None:
    """The server has shown the task."""
    row = session.get_one(Task, row_id)
    row.server_id, row.url, row.state = server_id, url, TaskState.CREATED


def upload_begins(ledger: Ledger, session: Session, row_id: int, files: int) -> None:
    """Files are about to be sent: from now on only a look at the server tells whether they may be sent again."""
    row = session.get_one(Task, row_id)
    row.state, row.files, row.upload_begun_at = TaskState.UPLOADING, files, ledger.now(session)


def upload_never_began(session: Session, row_id: int) -> None:
    """No connection was made: nothing was sent, and sending is safe."""
    row = session.get_one(Task, row_id)
    row.state, row.upload_begun_at = TaskState.CREATED, None
    _holds_nothing(session, row)


def uploaded(session: Session, row_id: int, request_id: str) -> None:
    """The server has taken all files; `request_id` asks for its progress."""
    session.get_one(Task, row_id).request_id = request_id


def proved(session: Session, row_id: int) -> None:
    """The server has shown every file as a frame."""
    session.get_one(Task, row_id).state = TaskState.PROVED


def abandon(ledger: Ledger, session: Session, row_id: int, reason: str) -> None:
    """Give a task up, and its jobs with it; what becomes of its batch is said by whoever asks."""
    row = session.get_one(Task, row_id)
    row.state, row.reason = TaskState.ABANDONED, reason
    batch = batches.get(session, row.batch_id, lock=True)
    tell(ledger, session, "abandoned", f"task {row.server_id} given up: {reason}", batch=batch)
    session.execute(delete(Job).where(Job.batch_id == batch.id))
    _holds_nothing(session, row)


def make_anew(ledger: Ledger, session: Session, row_id: int, reason: str) -> None:
    """Give a task up; its batch is closed again, and the next attempt makes another one."""
    abandon(ledger, session, row_id, reason)
    batch = batches.get(session, session.get_one(Task, row_id).batch_id, lock=True)
    if batch.state is not BatchState.CLOSED:
        batches.move(ledger, session, batch, BatchState.CLOSED, "another task will be made")


def _holds_nothing(session: Session, row: Task) -> None:
    """No object is in this task: what is put again under its key, or comes back, is new to it."""
    for member in batches.members(session, row.batch_id):
        member.upload_name = None
