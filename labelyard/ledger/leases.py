"""Who works on a batch: one at a time, for as long as it shows signs of life.

claim ──▶ extend … extend ──▶ release      (done, or failed: `batches.move`, `put_back`, `fail`)
  │
  └─ no sign of life for a lease ─▶ the next claim takes over; the late one's `extend` raises ClaimLost
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import CursorResult, select, update

from labelyard.domain.states import BatchState
from labelyard.errors import LeaseLost, LeaseTaken
from labelyard.ledger import Transaction, batches, breakers
from labelyard.ledger.tables import Batch, Dataset


def acquire(tx: Transaction, batch: str, who: str, states: Collection[BatchState], lease: timedelta) -> Batch:
    """Take a batch for `lease`. Raises ClaimTaken, saying why it is not to be had."""
    now = tx.now
    _refuse_paused(tx, batch)
    taken = tx.execute(
        update(Batch)
        .where(
            Batch.id == batch,
            Batch.state.in_(list(states)),
            batches.unset_or_by(Batch.leased_until, now),
            batches.unset_or_by(Batch.not_before, now),
        )
        .values(leased_by=who, leased_until=now + lease)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(taken, CursorResult)
    row = batches.get(tx, batch, lock=True)
    if taken.rowcount == 1:
        _refuse_unreachable(tx, row)
        return row
    if row.leased_until is not None and row.leased_until > now:
        raise LeaseTaken(f"{row.leased_by} has it until {row.leased_until:%H:%M:%S} UTC", where=batch)
    if row.state not in states:
        raise LeaseTaken(f"it is {row.state}: nothing to do here", where=batch)
    raise LeaseTaken(
        f"it waits until {row.not_before:%H:%M:%S} UTC after: {row.error}",
        where=batch,
        next_step=f"labelyard retry {batch}",
    )


def _refuse_paused(tx: Transaction, batch: str) -> None:
    dataset = tx.get_one(Dataset, batches.get(tx, batch).dataset, populate_existing=True)
    if dataset.paused_at is not None:
        why = f": {dataset.pause_reason}" if dataset.pause_reason else ""
        paused = f"{dataset.name} has been paused since {dataset.paused_at:%Y-%m-%d %H:%M} UTC{why}"
        raise LeaseTaken(paused, where=batch, next_step=f"labelyard resume {dataset.name}")


def _refuse_unreachable(tx: Transaction, batch: Batch) -> None:
    """Raises ClaimTaken, which undoes the claim, while the batch's CVAT or the object storage is left alone."""
    for server in (batch.cvat or "", breakers.STORE):
        away = breakers.blocked_by(tx, server)
        if away is not None:
            failed = f"{breakers.called(server)} failed {away.failures} times"
            raise LeaseTaken(
                f"{failed}, next try at {away.open_until:%H:%M:%S} UTC: {away.error}",
                where=batch.id,
                next_step="labelyard doctor",
            )


def extend(tx: Transaction, batch: str, who: str, lease: timedelta) -> None:
    """Show a sign of life. Raises ClaimLost when somebody else took over, or the batch was taken away.

    A lease that ran out while nobody wanted the batch is no loss.
    """
    now = tx.now
    kept = tx.execute(
        update(Batch)
        .where(Batch.id == batch, Batch.leased_by == who)
        .values(leased_until=now + lease)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(kept, CursorResult)
    if kept.rowcount != 1:
        raise LeaseLost("the lease ran out and another run may be at work", where=batch)


def held(tx: Transaction, wanted: Collection[str]) -> set[str]:
    """Which of these batches somebody has now."""
    query = select(Batch.id).where(Batch.id.in_(wanted), Batch.leased_until > tx.now)
    return set(tx.scalars(query))


def release(tx: Transaction, batch: str, who: str) -> None:
    """Give a batch back; nothing happens when somebody else has it by now."""
    tx.execute(
        update(Batch)
        .where(Batch.id == batch, Batch.leased_by == who)
        .values(leased_by=None, leased_until=None)
        .execution_options(synchronize_session=False)
    )
