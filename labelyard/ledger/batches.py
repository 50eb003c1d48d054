"""The batches: opened when an object lands, closed by the dataset's rules, moved on as the work is shown to be done."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from labelyard.errors import LedgerError, NotKnown
from labelyard.ledger import Ledger, breakers, datasets, outbox
from labelyard.ledger.history import tell
from labelyard.ledger.tables import Announcement, Batch, Dataset, LedgerIdentity, Object
from labelyard.plan.batching import Filling
from labelyard.plan.lifecycle import ENDED, BatchState, Event, may_move
from labelyard.plan.naming import batch_id, task_name

ANNOUNCED_BY = {
    BatchState.CLOSED: Event.BATCH_CLOSED,
    BatchState.CREATED: Event.BATCH_CLOSED,
    BatchState.UPLOADED: Event.BATCH_CLOSED,
    BatchState.READY: Event.BATCH_CLOSED,
    BatchState.COMPLETED: Event.TASK_COMPLETED,
}
"""The states in which a batch waits for a run, and the event that starts one."""


def get(session: Session, batch: str, *, lock: bool = False) -> Batch:
    """A batch by its id. Raises NotKnown."""
    found = session.get(Batch, batch, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotKnown(f"the ledger holds no batch {batch!r}", next_step="labelyard status")
    return found


def all_open(session: Session) -> Sequence[Batch]:
    """The open batches of all datasets."""
    return session.scalars(select(Batch).where(Batch.state == BatchState.OPEN).order_by(Batch.dataset)).all()


def lock_open(session: Session, dataset: str) -> Batch | None:
    """The dataset's open batch, None if there is none; it and the dataset are locked until the transaction's end."""
    lock(session, dataset)
    query = select(Batch).where(Batch.dataset == dataset, Batch.state == BatchState.OPEN)
    # Only a look that locks sees that somebody has just closed it, and what was in it then.
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).first()


def lock(session: Session, dataset: str) -> Dataset:
    """The dataset, for this transaction alone. Comes before the lock of a batch, and before an object is inserted.

    The foreign key of an inserted object locks the dataset too, shared: two transactions that then both wanted it for
    themselves would wait for each other.
    """
    return session.get_one(Dataset, dataset, with_for_update=True, populate_existing=True)


def get_or_open(ledger: Ledger, session: Session, dataset: str) -> Batch:
    """The dataset's open batch, made if there is none; locked as by `lock_open`."""
    found = lock_open(session, dataset)
    if found is not None:
        return found
    row = session.get_one(Dataset, dataset)
    return add(ledger, session, row, row.batches + 1)


def add(ledger: Ledger, session: Session, dataset: Dataset, number: int) -> Batch:
    """An empty open batch of a locked dataset, under a number that no other one has."""
    dataset.batches = max(dataset.batches, number)
    now = ledger.now(session)
    batch = Batch(
        id=batch_id(dataset.name, number),
        dataset=dataset.name,
        version=dataset.version,
        number=number,
        state=BatchState.OPEN,
        opened_at=now,
        last_landed_at=now,
        changed_at=now,
    )
    session.add(batch)
    session.flush()
    return batch


def filling(batch: Batch) -> Filling:
    """What the closing rules look at."""
    return Filling(batch.objects, batch.bytes, batch.opened_at, batch.last_landed_at)


def close(ledger: Ledger, session: Session, batch: Batch, reason: str) -> None:
    """Close a batch: members, task name and dataset version are fixed, and its announcement is written."""
    batch.closed_at = ledger.now(session)
    batch.close_reason = reason
    batch.version = session.get_one(Dataset, batch.dataset).version
    batch.cvat = datasets.spec(session, batch.dataset).cvat
    name_task(session, batch)
    move(ledger, session, batch, BatchState.CLOSED, f"closed with {batch.objects} objects: {reason}")


def name_task(session: Session, batch: Batch) -> None:
    """Fix the name of the batch's task by its members, before anything is made."""
    session.flush()
    identity = session.scalars(select(LedgerIdentity.id)).one()
    batch.task_name = task_name(identity, batch.id, [member.stored for member in members(session, batch.id)])


def members(session: Session, batch: str, *, refused: bool = True, lock: bool = False) -> Sequence[Object]:
    """The objects of a batch in the order they landed; those set aside too, unless `refused` is false."""
    query = select(Object).where(Object.batch_id == batch).order_by(Object.id)
    query = query if refused else query.where(Object.refused.is_(None))
    return session.scalars(query.with_for_update() if lock else query).all()


def move(ledger: Ledger, session: Session, batch: Batch, state: BatchState, reason: str) -> None:
    """Enter a state, forgetting earlier failures; announce the batch where the state waits for a run.

    Raises LedgerError where the table of transitions does not allow it.
    """
    if not may_move(batch.state, state):
        raise LedgerError(
            f"a batch cannot go from {batch.state} to {state}", where=batch.id, next_step=f"labelyard why {batch.id}"
        )
    announced = ANNOUNCED_BY.get(batch.state)
    batch.state = state
    batch.changed_at = ledger.now(session)
    batch.error = batch.next_step = batch.not_before = batch.resume_state = None
    batch.attempts = 0
    tell(ledger, session, state, reason, batch=batch)
    event = ANNOUNCED_BY.get(state)
    if event is not None and event is not announced:
        outbox.put(ledger, session, batch, event)


def export_again(ledger: Ledger, session: Session, batch: str | None, reason: str) -> None:
    """A batch whose export is out of date gets another one; nothing happens before its first."""
    row = get(session, batch, lock=True) if batch else None
    if row is not None and row.state is BatchState.EXPORTED:
        move(ledger, session, row, BatchState.COMPLETED, reason)


def put_back(ledger: Ledger, session: Session, batch: Batch, error: str, next_step: str, wait: timedelta) -> None:
    """A run of this batch failed and may be tried again after `wait`: it keeps its state, and says why it waits."""
    batch.attempts += 1
    batch.error, batch.next_step = error, next_step
    batch.not_before = ledger.now(session) + wait
    tell(ledger, session, "failed for now", f"attempt {batch.attempts}: {error}", batch=batch)


def not_started(ledger: Ledger, session: Session, batch: Batch, error: str, next_step: str) -> bool:
    """Nobody could start a run of this batch: it says so while it waits for one; false where it does not wait."""
    at_work = batch.lease_until is not None and batch.lease_until > ledger.now(session)
    if at_work or batch.state not in ANNOUNCED_BY:
        return False
    batch.error, batch.next_step = error, next_step
    tell(ledger, session, "not started", error, batch=batch)
    return True


def fail(ledger: Ledger, session: Session, batch: Batch, error: str, next_step: str) -> None:
    """A run of this batch failed in a way that only a person can mend."""
    resume, attempts = batch.state, batch.attempts + 1
    move(ledger, session, batch, BatchState.FAILED, error)
    batch.resume_state, batch.attempts, batch.error, batch.next_step = resume, attempts, error, next_step


def retry(ledger: Ledger, session: Session, batch: Batch) -> Event | None:
    """Let a failed or waiting batch be tried at once; the event that was announced, None if it waits for no run.

    Raises LedgerError where it is set aside or abandoned.
    """
    if batch.state is BatchState.FAILED and batch.resume_state is not None:
        move(ledger, session, batch, batch.resume_state, "a person asked for another try")
        return ANNOUNCED_BY.get(batch.state)
    if batch.state in ENDED:
        next_step = f"labelyard why {batch.id}, and labelyard restore S3URL for what shall come back"
        raise LedgerError(f"it is {batch.state}: no run goes on with it", where=batch.id, next_step=next_step)
    batch.not_before = None
    batch.attempts = 0
    event = ANNOUNCED_BY.get(batch.state)
    if event is not None:
        outbox.put(ledger, session, batch, event)
    return event


def unclaimed(ledger: Ledger, session: Session, *, quiet: timedelta) -> Sequence[Batch]:
    """Batches that a run could begin on and none has, last announced more than `quiet` ago."""
    now = ledger.now(session)
    found = session.scalars(
        select(Batch)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            Dataset.paused_at.is_(None),
            breakers.reachable(now),
            ~exists().where(Announcement.batch_id == Batch.id, Announcement.sent_at.is_(None)),
            Batch.state.in_(ANNOUNCED_BY),
            unset_or_by(Batch.lease_until, now),
            unset_or_by(Batch.not_before, now),
            unset_or_by(Batch.announced_at, now - quiet),
        )
        .order_by(Batch.changed_at)
        .with_for_update(skip_locked=True, of=Batch)
    )
    return list(breakers.one_for_each_trial(session, now, ((batch, batch.cvat or "") for batch in found)))


def announce_again(ledger: Ledger, session: Session, *, quiet: timedelta, queued: Container[str]) -> list[Batch]:
    """Announce once more what waits `unclaimed`; what is `queued` has a run that has not begun, and is left to it."""
    again = []
    for batch in unclaimed(ledger, session, quiet=quiet):
        if batch.id in queued:
            batch.announced_at = ledger.now(session)  # not looked at again before as long has passed
        else:
            outbox.put(ledger, session, batch, ANNOUNCED_BY[batch.state])
            again.append(batch)
    return again


def in_states(session: Session, states: Iterable[BatchState]) -> Sequence[Batch]:
    """All batches in some states, oldest first."""
    return session.scalars(select(Batch).where(Batch.state.in_(list(states))).order_by(Batch.opened_at)).all()


def unset_or_by(column: InstrumentedAttribute[datetime | None], moment: datetime) -> ColumnElement[bool]:
    """The condition that a time is not set, or is reached at a moment."""
    return or_(column.is_(None), column <= moment)
