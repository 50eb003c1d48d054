"""Batches: opened by objects, closed by the dataset's rules, moved from state to state by the steps."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from labelyard.domain.backoff import growing_waits
from labelyard.domain.batching import UNGROUPED, BatchContents, BatchEvent, BatchingRules, decide
from labelyard.domain.naming import batch_id, task_name
from labelyard.domain.states import ENDED, WITHOUT_A_RUN, BatchState, Event, may_move
from labelyard.errors import LedgerError, NotFound
from labelyard.ledger import breakers, datasets, outbox
from labelyard.ledger.database import FOR_UPDATE, Transaction, ledger_id
from labelyard.ledger.history import record
from labelyard.ledger.tables import Batch, Dataset, Object, OutboxEvent, Task

LONGEST_QUIET = timedelta(hours=1)
"""The longest wait for a run until a batch is published again."""
EVENT_OF_STATE = {
    BatchState.CLOSED: Event.BATCH_CLOSED,
    BatchState.CREATED: Event.BATCH_CLOSED,
    BatchState.UPLOADED: Event.BATCH_CLOSED,
    BatchState.READY: Event.BATCH_CLOSED,
    BatchState.COMPLETED: Event.TASK_COMPLETED,
}
"""The states in which a batch waits for a flow run, and the event that starts it."""


def get(tx: Transaction, batch: str, *, lock: bool = False) -> Batch:
    """Return a batch by its id. Raises NotFound."""
    found = tx.get(Batch, batch, with_for_update=FOR_UPDATE if lock else None, populate_existing=lock)
    if found is None:
        raise NotFound(f"the ledger holds no batch {batch!r}", next_step="labelyard status")
    return found


def all_open(tx: Transaction) -> Sequence[Batch]:
    """Return the open batches of all datasets."""
    return tx.scalars(select(Batch).where(Batch.state == BatchState.OPEN).order_by(Batch.dataset)).all()


def lock_open(tx: Transaction, dataset: str, group: str = UNGROUPED, *, backfill: bool = False) -> Batch | None:
    """Return the open batch of a dataset's group, or None. It and the dataset are locked until the transaction ends."""
    of_group = (Batch.object_group == group, Batch.backfill.is_(backfill))
    return next(iter(lock_all_open(tx, dataset, *of_group)), None)


def lock_all_open(tx: Transaction, dataset: str, *conditions: ColumnElement[bool]) -> Sequence[Batch]:
    """Return the dataset's open batches, of every group. They and the dataset are locked until the transaction ends."""
    datasets.lock(tx, dataset)
    query = select(Batch).where(Batch.dataset == dataset, Batch.state == BatchState.OPEN, *conditions)
    # Only a locking read sees that another transaction has just closed it, and its members then.
    locking = query.order_by(Batch.number).with_for_update(key_share=True).execution_options(populate_existing=True)
    return tx.scalars(locking).all()


def get_or_open(tx: Transaction, dataset: str, group: str = UNGROUPED, *, backfill: bool = False) -> Batch:
    """Return the open batch of a dataset's group, a new one if there is none. It is locked as by `lock_open`."""
    found = lock_open(tx, dataset, group, backfill=backfill)
    if found is not None:
        return found
    row = tx.get_one(Dataset, dataset)
    return add(tx, row, row.last_batch_number + 1, group=group, backfill=backfill)


def add(
    tx: Transaction,
    dataset: Dataset,
    number: int,
    state: BatchState = BatchState.OPEN,
    group: str = UNGROUPED,
    *,
    backfill: bool = False,
) -> Batch:
    """Add an empty batch to a locked dataset, with a number that no other batch has."""
    dataset.last_batch_number = max(dataset.last_batch_number, number)
    now = tx.now
    batch = Batch(
        id=batch_id(dataset.name, number),
        dataset=dataset.name,
        version=dataset.version,
        number=number,
        object_group=group,
        state=state,
        opened_at=now,
        last_registered_at=now,
        changed_at=now,
        backfill=backfill,
    )
    tx.add(batch)
    tx.flush()
    return batch


def contents(batch: Batch) -> BatchContents:
    """Return what `domain.batching` decides by."""
    return BatchContents(batch.objects, batch.bytes, batch.opened_at, batch.last_registered_at)


def close_on_event(tx: Transaction, rules: BatchingRules, batch: Batch, event: BatchEvent) -> str | None:
    """Close an open, locked batch if the event closes it; return the reason, None where it stays open."""
    reason = decide(rules, contents(batch), event).close_after
    if reason is not None:
        close(tx, batch, reason)
    return reason


def close(tx: Transaction, batch: Batch, reason: str) -> None:
    """Close a batch: fix its members, task name and dataset version, and put its event into the outbox."""
    batch.closed_at = tx.now
    batch.close_reason = reason
    batch.version = tx.get_one(Dataset, batch.dataset).version
    batch.cvat = datasets.spec(tx, batch.dataset).cvat
    set_task_name(tx, batch)
    move(tx, batch, BatchState.CLOSED, f"closed with {batch.objects} objects: {reason}")


def set_task_name(tx: Transaction, batch: Batch) -> None:
    """Fix the name of the batch's task from its members, before anything is created."""
    tx.flush()
    batch.task_name = task_name(ledger_id(tx), batch.id, [member.stored for member in members(tx, batch.id)])


def members(tx: Transaction, batch: str, *, quarantined: bool = True, lock: bool = False) -> Sequence[Object]:
    """Return the objects of a batch by registration; `quarantined=False` leaves out the quarantined ones."""
    query = select(Object).where(Object.batch_id == batch).order_by(Object.id)
    query = query if quarantined else query.where(Object.quarantine_reason.is_(None))
    return tx.scalars(query.with_for_update(key_share=True) if lock else query).all()


def move(tx: Transaction, batch: Batch, state: BatchState, reason: str) -> None:
    """Move a batch to a state and clear its failures; put an event into the outbox if the state waits for a run.

    Raises LedgerError where the transition table does not allow it.
    """
    if not may_move(batch.state, state):
        raise LedgerError(
            f"a batch cannot go from {batch.state} to {state}", where=batch.id, next_step=f"labelyard why {batch.id}"
        )
    previous_event = EVENT_OF_STATE.get(batch.state)
    batch.state = state
    batch.changed_at = tx.now
    batch.error = batch.next_step = batch.not_before = batch.resume_state = None
    batch.attempts = 0
    record(tx, state, reason, batch=batch)
    event = EVENT_OF_STATE.get(state)
    if event is not None and event is not previous_event:
        outbox.put(tx, batch, event)


def export_again(tx: Transaction, batch: str | None, reason: str) -> None:
    """Let an exported batch be exported again, because its export is out of date; otherwise do nothing."""
    row = get(tx, batch, lock=True) if batch else None
    if row is not None and row.state is BatchState.EXPORTED:
        move(tx, row, BatchState.COMPLETED, reason)


def postpone(tx: Transaction, batch: Batch, error: str, next_step: str, wait: timedelta) -> None:
    """Record a failure that a retry may cure: the batch keeps its state, and no run starts before `wait` is over."""
    batch.attempts += 1
    batch.error, batch.next_step = error, next_step
    batch.not_before = tx.now + wait
    record(tx, "postponed", f"attempt {batch.attempts}: {error}", batch=batch)


def wait_for_server(tx: Transaction, batch: Batch, wait: timedelta) -> datetime:
    """Let the next run start when `wait` is over, without a failure; return that time."""
    batch.attempts = 0
    batch.error = batch.next_step = None
    batch.not_before = tx.now + wait
    return batch.not_before


def record_not_started(tx: Transaction, batch: Batch, error: str, next_step: str) -> bool:
    """Record that Prefect could not start a run of this batch; return False where the batch waits for none."""
    if batch.is_leased(tx.now) or batch.state not in EVENT_OF_STATE:
        return False
    batch.error, batch.next_step = error, next_step
    record(tx, "not started", error, batch=batch)
    return True


def fail(tx: Transaction, batch: Batch, error: str, next_step: str) -> None:
    """Record a failure that only a person can fix."""
    resume, attempts = batch.state, batch.attempts + 1
    move(tx, batch, BatchState.FAILED, error)
    batch.resume_state, batch.attempts, batch.error, batch.next_step = resume, attempts, error, next_step


def retry(tx: Transaction, batch: Batch) -> Event | None:
    """Let a failed or postponed batch run at once; return the event in the outbox, None if it waits for no run.

    Raises LedgerError where the batch is quarantined or cancelled.
    """
    batch.tasks_before_retry = tx.scalar(select(func.max(Task.attempt)).where(Task.batch_id == batch.id)) or 0
    if batch.state is BatchState.FAILED and batch.resume_state is not None:
        move(tx, batch, batch.resume_state, "retried by a person")
        return EVENT_OF_STATE.get(batch.state)
    if batch.state in ENDED:
        next_step = f"labelyard why {batch.id}, and labelyard restore S3URL for each object to bring back"
        raise LedgerError(f"it is {batch.state}: no run continues it", where=batch.id, next_step=next_step)
    batch.not_before = None
    batch.attempts = 0
    event = EVENT_OF_STATE.get(batch.state)
    if event is not None:
        outbox.put(tx, batch, event)
    return event


def without_run(tx: Transaction, *, quiet: timedelta) -> Sequence[Batch]:
    """Return the batches that wait for a run and have none.

    The last event of each is older than `quiet`, doubled for each event in vain, or older than a wait that is over: its
    run has ended.
    """
    now = tx.now
    waits = growing_waits(quiet, LONGEST_QUIET)
    overdue = [
        and_(Batch.events_in_vain == in_vain, Batch.last_event_at <= now - wait) for in_vain, wait in enumerate(waits)
    ]
    overdue.append(and_(Batch.events_in_vain >= len(waits), Batch.last_event_at <= now - waits[-1]))
    found = tx.scalars(
        select(Batch)
        .join(Dataset, Dataset.name == Batch.dataset)
        .where(
            Dataset.paused_at.is_(None),
            breakers.servers_available(now),
            ~exists().where(OutboxEvent.batch_id == Batch.id, OutboxEvent.published_at.is_(None)),
            Batch.state.in_(EVENT_OF_STATE),
            unset_or_reached(Batch.leased_until, now),
            unset_or_reached(Batch.not_before, now),
            or_(Batch.last_event_at.is_(None), Batch.last_event_at < Batch.not_before, *overdue),
        )
        .order_by(Batch.changed_at)
        .with_for_update(skip_locked=True, of=Batch, key_share=True)
    )
    return list(breakers.limit_trials(tx, now, ((batch, batch.cvat or "") for batch in found)))


def startable(tx: Transaction, batch_ids: Collection[str]) -> set[str]:
    """Return those of the batches that need not wait: neither for a time, nor for a server that fails."""
    query = select(Batch.id).where(
        Batch.id.in_(batch_ids), unset_or_reached(Batch.not_before, tx.now), breakers.servers_work()
    )
    return set(tx.scalars(query))


def healed(tx: Transaction, batch_ids: Collection[str]) -> set[str]:
    """Return those of the batches that have no error and wait for no run."""
    query = select(Batch.id).where(Batch.id.in_(batch_ids), Batch.error.is_(None), Batch.state.not_in(EVENT_OF_STATE))
    return set(tx.scalars(query))


def unreadable(tx: Transaction) -> bool:
    """Return whether the task of any batch that people work on, or have exported, cannot be read."""
    return (
        tx.scalar(select(Batch.id).where(Batch.state.in_(WITHOUT_A_RUN), Batch.error.is_not(None)).limit(1)) is not None
    )


def publish_again(tx: Transaction, *, quiet: timedelta, queued: Container[str]) -> list[Batch]:
    """Put another event into the outbox for each batch `without_run`, unless Prefect has a `queued` run for it.

    Prefect may have an event for minutes before it creates its run, and more events would only delay that further. So
    the wait for a run is doubled with each event that started none, until a run has the batch.
    """
    again = []
    for batch in without_run(tx, quiet=quiet):
        if batch.id in queued:
            batch.last_event_at, batch.events_in_vain = tx.now, 0  # not checked again before `quiet` has passed
        else:
            outbox.put(tx, batch, EVENT_OF_STATE[batch.state], in_vain=batch.events_in_vain + 1)
            again.append(batch)
    return again


def in_states(tx: Transaction, states: Iterable[BatchState]) -> Sequence[Batch]:
    """Return all batches in the given states, oldest first."""
    return tx.scalars(select(Batch).where(Batch.state.in_(list(states))).order_by(Batch.opened_at)).all()


def ids_in_state(tx: Transaction, state: BatchState) -> Sequence[str]:
    """Return the ids of all batches in a state, oldest first: of tens of thousands, which `with_ids` reads in part."""
    return tx.scalars(select(Batch.id).where(Batch.state == state).order_by(Batch.opened_at, Batch.id)).all()


def with_ids(tx: Transaction, ids: Collection[str]) -> Sequence[Batch]:
    """Return these batches, oldest first."""
    return tx.scalars(select(Batch).where(Batch.id.in_(ids)).order_by(Batch.opened_at, Batch.id)).all()


def unset_or_reached(column: InstrumentedAttribute[datetime | None], moment: datetime) -> ColumnElement[bool]:
    """Return the condition that a time is not set or was reached by `moment`."""
    return or_(column.is_(None), column <= moment)
