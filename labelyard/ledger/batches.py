"""The batches: opened when an object lands, closed by the dataset's rules, moved on as the work is shown to be done."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from labelyard.domain.batching import Filling
from labelyard.domain.naming import batch_id, task_name
from labelyard.domain.states import ENDED, BatchState, Event, may_move
from labelyard.errors import LedgerError, NotFound
from labelyard.ledger import Transaction, breakers, datasets, outbox
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Dataset, LedgerIdentity, Object, OutboxEvent

EVENT_OF_STATE = {
    BatchState.CLOSED: Event.BATCH_CLOSED,
    BatchState.CREATED: Event.BATCH_CLOSED,
    BatchState.UPLOADED: Event.BATCH_CLOSED,
    BatchState.READY: Event.BATCH_CLOSED,
    BatchState.COMPLETED: Event.TASK_COMPLETED,
}
"""The states in which a batch waits for a run, and the event that starts one."""


def get(tx: Transaction, batch: str, *, lock: bool = False) -> Batch:
    """A batch by its id. Raises NotKnown."""
    found = tx.get(Batch, batch, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound(f"the ledger holds no batch {batch!r}", next_step="labelyard status")
    return found


def all_open(tx: Transaction) -> Sequence[Batch]:
    """The open batches of all datasets."""
    return tx.scalars(select(Batch).where(Batch.state == BatchState.OPEN).order_by(Batch.dataset)).all()


def lock_open(tx: Transaction, dataset: str) -> Batch | None:
    """The dataset's open batch, None if there is none; it and the dataset are locked until the transaction's end."""
    lock(tx, dataset)
    query = select(Batch).where(Batch.dataset == dataset, Batch.state == BatchState.OPEN)
    # Only a look that locks sees that somebody has just closed it, and what was in it then.
    return tx.scalars(query.with_for_update().execution_options(populate_existing=True)).first()


def lock(tx: Transaction, dataset: str) -> Dataset:
    """The dataset, for this transaction alone. Comes before the lock of a batch, and before an object is inserted.

    The foreign key of an inserted object locks the dataset too, shared: two transactions that then both wanted it for
    themselves would wait for each other.
    """
    return tx.get_one(Dataset, dataset, with_for_update=True, populate_existing=True)


def get_or_open(tx: Transaction, dataset: str) -> Batch:
    """The dataset's open batch, made if there is none; locked as by `lock_open`."""
    found = lock_open(tx, dataset)
    if found is not None:
        return found
    row = tx.get_one(Dataset, dataset)
    return add(tx, row, row.batches + 1)


def add(tx: Transaction, dataset: Dataset, number: int) -> Batch:
    """An empty open batch of a locked dataset, under a number that no other one has."""
    dataset.batches = max(dataset.batches, number)
    now = tx.now
    batch = Batch(
        id=batch_id(dataset.name, number),
        dataset=dataset.name,
        version=dataset.version,
        number=number,
        state=BatchState.OPEN,
        opened_at=now,
        last_registered_at=now,
        changed_at=now,
    )
    tx.add(batch)
    tx.flush()
    return batch


def filling(batch: Batch) -> Filling:
    """What the closing rules look at."""
    return Filling(batch.objects, batch.bytes, batch.opened_at, batch.last_registered_at)


def close(tx: Transaction, batch: Batch, reason: str) -> None:
    """Close a batch: members, task name and dataset version are fixed, and its announcement is written."""
    batch.closed_at = tx.now
    batch.close_reason = reason
    batch.version = tx.get_one(Dataset, batch.dataset).version
    batch.cvat = datasets.spec(tx, batch.dataset).cvat
    name_task(tx, batch)
    move(tx, batch, BatchState.CLOSED, f"closed with {batch.objects} objects: {reason}")


def name_task(tx: Transaction, batch: Batch) -> None:
    """Fix the name of the batch's task by its members, before anything is made."""
    tx.flush()
    identity = tx.scalars(select(LedgerIdentity.id)).one()
    batch.task_name = task_name(identity, batch.id, [member.stored for member in members(tx, batch.id)])


def members(tx: Transaction, batch: str, *, quarantined: bool = True, lock: bool = False) -> Sequence[Object]:
    """The objects of a batch in the order they landed; those set aside too, unless `refused` is false."""
    query = select(Object).where(Object.batch_id == batch).order_by(Object.id)
    query = query if quarantined else query.where(Object.quarantine_reason.is_(None))
    return tx.scalars(query.with_for_update() if lock else query).all()


def move(tx: Transaction, batch: Batch, state: BatchState, reason: str) -> None:
    """Enter a state, forgetting earlier failures; announce the batch where the state waits for a run.

    Raises LedgerError where the table of transitions does not allow it.
    """
    if not may_move(batch.state, state):
        raise LedgerError(
            f"a batch cannot go from {batch.state} to {state}", where=batch.id, next_step=f"labelyard why {batch.id}"
        )
    announced = EVENT_OF_STATE.get(batch.state)
    batch.state = state
    batch.changed_at = tx.now
    batch.error = batch.next_step = batch.not_before = batch.resume_state = None
    batch.attempts = 0
    record(tx, state, reason, batch=batch)
    event = EVENT_OF_STATE.get(state)
    if event is not None and event is not announced:
        outbox.put(tx, batch, event)


def export_again(tx: Transaction, batch: str | None, reason: str) -> None:
    """A batch whose export is out of date gets another one; nothing happens before its first."""
    row = get(tx, batch, lock=True) if batch else None
    if row is not None and row.state is BatchState.EXPORTED:
        move(tx, row, BatchState.COMPLETED, reason)


def put_back(tx: Transaction, batch: Batch, error: str, next_step: str, wait: timedelta) -> None:
    """A run of this batch failed and may be tried again after `wait`: it keeps its state, and says why it waits."""
    batch.attempts += 1
    batch.error, batch.next_step = error, next_step
    batch.not_before = tx.now + wait
    record(tx, "failed for now", f"attempt {batch.attempts}: {error}", batch=batch)


def report_not_started(tx: Transaction, batch: Batch, error: str, next_step: str) -> bool:
    """Nobody could start a run of this batch: it says so while it waits for one; false where it does not wait."""
    at_work = batch.leased_until is not None and batch.leased_until > tx.now
    if at_work or batch.state not in EVENT_OF_STATE:
        return False
    batch.error, batch.next_step = error, next_step
    record(tx, "not started", error, batch=batch)
    return True


def fail(tx: Transaction, batch: Batch, error: str, next_step: str) -> None:
    """A run of this batch failed in a way that only a person can mend."""
    resume, attempts = batch.state, batch.attempts + 1
    move(tx, batch, BatchState.FAILED, error)
    batch.resume_state, batch.attempts, batch.error, batch.next_step = resume, attempts, error, next_step


def retry(tx: Transaction, batch: Batch) -> Event | None:
    """Let a failed or waiting batch be tried at once; the event that was announced, None if it waits for no run.

    Raises LedgerError where it is set aside or abandoned.
    """
    if batch.state is BatchState.FAILED and batch.resume_state is not None:
        move(tx, batch, batch.resume_state, "a person asked for another try")
        return EVENT_OF_STATE.get(batch.state)
    if batch.state in ENDED:
        next_step = f"labelyard why {batch.id}, and labelyard restore S3URL for what shall come back"
        raise LedgerError(f"it is {batch.state}: no run goes on with it", where=batch.id, next_step=next_step)
    batch.not_before = None
    batch.attempts = 0
    event = EVENT_OF_STATE.get(batch.state)
    if event is not None:
        outbox.put(tx, batch, event)
    return event


def unclaimed(tx: Transaction, *, quiet: timedelta) -> Sequence[Batch]:
    """Batches that a run could begin on and none has, last announced more than `quiet` ago."""
    now = tx.now
    found = tx.scalars(
        select(Batch)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            Dataset.paused_at.is_(None),
            breakers.reachable(now),
            ~exists().where(OutboxEvent.batch_id == Batch.id, OutboxEvent.sent_at.is_(None)),
            Batch.state.in_(EVENT_OF_STATE),
            unset_or_by(Batch.leased_until, now),
            unset_or_by(Batch.not_before, now),
            unset_or_by(Batch.outbox_at, now - quiet),
        )
        .order_by(Batch.changed_at)
        .with_for_update(skip_locked=True, of=Batch)
    )
    return list(breakers.one_for_each_trial(tx, now, ((batch, batch.cvat or "") for batch in found)))


def publish_again(tx: Transaction, *, quiet: timedelta, queued: Container[str]) -> list[Batch]:
    """Announce once more what waits `unclaimed`; what is `queued` has a run that has not begun, and is left to it."""
    again = []
    for batch in unclaimed(tx, quiet=quiet):
        if batch.id in queued:
            batch.outbox_at = tx.now  # not looked at again before as long has passed
        else:
            outbox.put(tx, batch, EVENT_OF_STATE[batch.state])
            again.append(batch)
    return again


def in_states(tx: Transaction, states: Iterable[BatchState]) -> Sequence[Batch]:
    """All batches in some states, oldest first."""
    return tx.scalars(select(Batch).where(Batch.state.in_(list(states))).order_by(Batch.opened_at)).all()


def unset_or_by(column: InstrumentedAttribute[datetime | None], moment: datetime) -> ColumnElement[bool]:
    """The condition that a time is not set, or is reached at a moment."""
    return or_(column.is_(None), column <= moment)
