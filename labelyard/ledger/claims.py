"""Who works on a batch: one at a time, for as long as it shows signs of life.

claim ──▶ extend … extend ──▶ release      (done, or failed: `batches.move`, `put_back`, `fail`)
  │
  └─ no sign of life for a lease ─▶ the next claim takes over; the late one's `extend` raises ClaimLost
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from labelyard.errors import ClaimLost, ClaimTaken
from labelyard.ledger import Ledger, batches, breakers
from labelyard.ledger.tables import Batch, Dataset
from labelyard.plan.lifecycle import BatchState


def claim(
    ledger: Ledger, session: Session, batch: str, who: str, states: Collection[BatchState], lease: timedelta
) -> Batch:
    """Take a batch for `lease`. Raises ClaimTaken, saying why it is not to be had."""
    now = ledger.now(session)
    _refuse_paused(session, batch)
    taken = session.execute(
        update(Batch)
        .where(
            Batch.id == batch,
            Batch.state.in_(list(states)),
            batches.unset_or_by(Batch.lease_until, now),
            batches.unset_or_by(Batch.not_before, now),
        )
        .values(claimed_by=who, lease_until=now + lease)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(taken, CursorResult)
    row = batches.get(session, batch, lock=True)
    if taken.rowcount == 1:
        _refuse_unreachable(ledger, session, row)
        return row
    if row.lease_until is not None and row.lease_until > now:
        raise ClaimTaken(f"{row.claimed_by} has it until {row.lease_until:%H:%M:%S} UTC", where=batch)
    if row.state not in states:
        raise ClaimTaken(f"it is {row.state}: nothing to do here", where=batch)
    raise ClaimTaken(
        f"it waits until {row.not_before:%H:%M:%S} UTC after: {row.error}",
        where=batch,
        next_step=f"labelyard retry {batch}",
    )


def _refuse_paused(session: Session, batch: str) -> None:
    dataset = session.get_one(Dataset, batches.get(session, batch).dataset, populate_existing=True)
    if dataset.paused_at is not None:
        why = f": {dataset.paused_why}" if dataset.paused_why else ""
        paused = f"{dataset.name} has been paused since {dataset.paused_at:%Y-%m-%d %H:%M} UTC{why}"
        raise ClaimTaken(paused, where=batch, next_step=f"labelyard resume {dataset.name}")


def _refuse_unreachable(ledger: Ledger, session: Session, batch: Batch) -> None:
    """Raises ClaimTaken, which undoes the claim, while the batch's CVAT or the object storage is left alone."""
    for server in (batch.cvat or "", breakers.STORE):
        away = breakers.blocked_by(ledger, session, server)
        if away is not None:
            failed = f"{breakers.called(server)} failed {away.failures} times"
            raise ClaimTaken(
                f"{failed}, next try at {away.open_until:%H:%M:%S} UTC: {away.error}",
                where=batch.id,
                next_step="labelyard doctor",
            )


def extend(ledger: Ledger, session: Session, batch: str, who: str, lease: timedelta) -> None:
    """Show a sign of life. Raises ClaimLost when somebody else took over, or the batch was taken away.

    A lease that ran out while nobody wanted the batch is no loss.
    """
    now = ledger.now(session)
    kept = session.execute(
        update(Batch)
        .where(Batch.id == batch, Batch.claimed_by == who)
        .values(lease_until=now + lease)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(kept, CursorResult)
    if kept.rowcount != 1:
        raise ClaimLost("the lease ran out and another run may be at work", where=batch)


def held(ledger: Ledger, session: Session, wanted: Collection[str]) -> set[str]:
    """Which of these batches somebody has now."""
    query = select(Batch.id).where(Batch.id.in_(wanted), Batch.lease_until > ledger.now(session))
    return set(session.scalars(query))


def release(session: Session, batch: str, who: str) -> None:
    """Give a batch back; nothing happens when somebody else has it by now."""
    session.execute(
        update(Batch)
        .where(Batch.id == batch, Batch.claimed_by == who)
        .values(claimed_by=None, lease_until=None)
        .execution_options(synchronize_session=False)
    )
