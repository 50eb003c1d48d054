"""The CVAT tasks of a batch: one attempt after the other, at most one of them live (not abandoned)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import delete, exists, func, or_, select

from labelyard.domain.naming import attempt_name
from labelyard.domain.states import WITH_PEOPLE, WITHOUT_TASK, BatchState, TaskState, may_task_move
from labelyard.domain.task_names import Attempt, TaskName, task_names
from labelyard.errors import LedgerError
from labelyard.ledger import batches, quality
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Job, Task


def current(tx: Transaction, batch: str) -> Task | None:
    """Return the batch's live task; None before one is planned, or after it was abandoned."""
    return tx.scalars(select(Task).where(Task.batch_id == batch, Task.state != TaskState.ABANDONED)).one_or_none()


def require_current(tx: Transaction, batch: str) -> tuple[Task, int]:
    """Return the batch's live task and its id on the server. Raises LedgerError before the server has one."""
    row = current(tx, batch)
    if row is None or row.server_id is None:
        raise LedgerError("it has no task yet", where=batch, next_step=f"labelyard retry {batch}")
    return row, row.server_id


def of_batch(tx: Transaction, batch: str) -> Sequence[Task]:
    """Return every task of a batch, planned and abandoned ones too, oldest first."""
    return tx.scalars(select(Task).where(Task.batch_id == batch).order_by(Task.attempt)).all()


def of_dataset(tx: Transaction, dataset: str) -> Sequence[tuple[Task, Batch]]:
    """Return every task that was created for a dataset, abandoned ones too, with its batch."""
    query = select(Task, Batch).join(Batch, Batch.id == Task.batch_id).order_by(Task.id)
    rows = tx.execute(query.where(Batch.dataset == dataset, Task.server_id.is_not(None)))
    return [(task, batch) for task, batch in rows]


def with_people(tx: Transaction, server_ids: Collection[int]) -> Sequence[tuple[Task, Batch]]:
    """Return the live tasks with these ids on any server, and their batches, that annotators have or may reopen."""
    query = select(Task, Batch).join(Batch, Batch.id == Task.batch_id).order_by(Task.id)
    live = (Task.state != TaskState.ABANDONED, Batch.state.in_(WITH_PEOPLE))
    return [(task, batch) for task, batch in tx.execute(query.where(Task.server_id.in_(server_ids), *live))]


def without_progress(tx: Transaction, seconds: float) -> Sequence[Task]:
    """Return the uploads about which a server has said the same for longer than `seconds`, the oldest first."""
    stalled = (Task.state == TaskState.UPLOADING, Task.progress_at < tx.now - timedelta(seconds=seconds))
    return tx.scalars(select(Task).where(*stalled).order_by(Task.progress_at)).all()


def abandoned(tx: Transaction, batch: Batch) -> int:
    """Return how many tasks of a batch were abandoned since a person last retried it."""
    of_now = (Task.batch_id == batch.id, Task.attempt > batch.tasks_before_retry)
    return tx.scalar(select(func.count()).where(*of_now, Task.state == TaskState.ABANDONED)) or 0


def names(tx: Transaction, batch: Batch, *, ending: bool = False) -> list[TaskName]:
    """Return the names that the batch's tasks have or had, as `domain.task_names` explains."""
    return _names(batch, of_batch(tx, batch.id), ending=ending)


def names_of_dataset(tx: Transaction, dataset: str) -> Iterator[tuple[str, BatchState, TaskName]]:
    """Yield server, state of the batch and name for every name that a task of the dataset has or had."""
    query = select(Batch, Task).outerjoin(Task, Task.batch_id == Batch.id).order_by(Batch.number, Task.attempt)
    rows = tx.execute(query.where(Batch.dataset == dataset, Batch.task_name.is_not(None)))
    for batch, found in groupby(rows, key=lambda row: row[0]):
        attempts = [task for _, task in found if task is not None]
        servers = {task.name: task.cvat for task in attempts}
        for name in _names(batch, attempts):
            yield servers.get(name.name, batch.cvat or ""), batch.state, name


def with_late_tasks(tx: Transaction, since: datetime) -> Sequence[Batch]:
    """Return the batches for which a task may have been created after it had become useless, oldest first.

    Since then they ended without a task, or abandoned one. One that is created still later is left to a plan.
    """
    has_abandoned = exists().where(Task.batch_id == Batch.id, Task.state == TaskState.ABANDONED)
    useless = or_(Batch.state.in_(WITHOUT_TASK), has_abandoned)
    query = select(Batch).where(Batch.changed_at >= since, Batch.task_name.is_not(None), useless)
    return tx.scalars(query.order_by(Batch.changed_at, Batch.id)).all()


def plan(tx: Transaction, batch: Batch, cvat: str) -> Task:
    """Add the next attempt and fix its task's name, before anything is sent."""
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


def mark_created(tx: Transaction, row_id: int, server_id: int, url: str) -> None:
    """Record that the server has the task."""
    row = _move(tx, row_id, TaskState.CREATED, old=TaskState.PLANNED)
    row.server_id, row.url = server_id, url


def mark_upload_begun(tx: Transaction, row_id: int, files: int) -> None:
    """Record that an upload begins. From now on only the server can say whether files may be sent again."""
    row = _move(tx, row_id, TaskState.UPLOADING)
    row.files, row.upload_begun_at = files, tx.now


def mark_upload_not_begun(tx: Transaction, row_id: int) -> None:
    """Record that no connection was made: nothing was sent, and another upload is safe."""
    row = _move(tx, row_id, TaskState.CREATED, old=TaskState.UPLOADING)
    row.upload_begun_at = None
    _clear_upload_names(tx, row)


def mark_uploaded(tx: Transaction, row_id: int, request_id: str) -> None:
    """Record that the server has received all files; `request_id` asks for its progress."""
    tx.get_one(Task, row_id).request_id = request_id


@dataclass(frozen=True)
class Waiting:
    """For how long a server has been asked about an upload, and for how long its answer has been the same."""

    waited: timedelta
    unchanged: timedelta


def record_progress(tx: Transaction, row_id: int, progress: str) -> Waiting:
    """Record what the server says about an upload."""
    row, now = tx.get_one(Task, row_id), tx.now
    row.waiting_since = row.waiting_since or now
    if row.progress != progress or row.progress_at is None:
        row.progress, row.progress_at = progress, now
    return Waiting(now - row.waiting_since, now - row.progress_at)


def mark_verified(tx: Transaction, row_id: int) -> None:
    """Record that the server has shown every file as a frame; a later run may see that again."""
    if tx.get_one(Task, row_id).state is not TaskState.VERIFIED:
        _move(tx, row_id, TaskState.VERIFIED)


def abandon(tx: Transaction, row_id: int, reason: str) -> None:
    """Abandon a task and delete its jobs. The caller decides about its batch."""
    row = _move(tx, row_id, TaskState.ABANDONED)
    row.abandon_reason = reason
    batch = batches.get(tx, row.batch_id, lock=True)
    record(tx, "abandoned", f"task {row.server_id} is abandoned: {reason}", batch=batch)
    tx.execute(delete(Job).where(Job.batch_id == batch.id))
    quality.forget(tx, batch.id)
    _clear_upload_names(tx, row)


def abandon_deleted(tx: Transaction, batch: str, deleted: Collection[int]) -> None:
    """Abandon the batch's task if it is among those that were deleted on the server."""
    row = current(tx, batch)
    if row is not None and row.server_id in deleted:
        abandon(tx, row.id, "it was empty, and its batch needs no task")


def recreate(tx: Transaction, row_id: int, reason: str) -> None:
    """Abandon a task and close its batch again, so that the next run creates another task."""
    abandon(tx, row_id, reason)
    batch = batches.get(tx, tx.get_one(Task, row_id).batch_id, lock=True)
    if batch.state is not BatchState.CLOSED:
        batches.move(tx, batch, BatchState.CLOSED, "another task will be created")


def _move(tx: Transaction, row_id: int, state: TaskState, *, old: TaskState | None = None) -> Task:
    """Move a task to a state, if given only from state `old`, and return it.

    Raises LedgerError where the transition table does not allow it.
    """
    row = tx.get_one(Task, row_id)
    if not may_task_move(row.state, state) or old not in (None, row.state):
        what = f"task {row.server_id or row.name!r} cannot go from {row.state} to {state}"
        raise LedgerError(what, where=row.batch_id, next_step=f"labelyard why {row.batch_id}")
    row.state = state
    return row


def _clear_upload_names(tx: Transaction, row: Task) -> None:
    # No object is in the task now: one that is put again under its key, or comes back, is new to it.
    for member in batches.members(tx, row.batch_id):
        member.upload_name = None


def _names(batch: Batch, rows: Iterable[Task], *, ending: bool = False) -> list[TaskName]:
    attempts = (Attempt(row.name, row.state, row.server_id) for row in rows)
    return list(task_names(batch.id, batch.state, batch.task_name, attempts, ending=ending))
