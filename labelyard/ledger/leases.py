"""Leases: the exclusive, expiring right to work on a batch.

acquire ──▶ extend … extend ──▶ release      (done, or failed: `batches.move`, `postpone`, `fail`)
  │
  └─ not extended in time ─▶ another run acquires the batch; the late one's `extend` raises LeaseLost
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import select

from labelyard.domain.states import BatchState
from labelyard.errors import LeaseLost, LeasePostponed, LeaseTaken
from labelyard.ledger import batches, breakers
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.lease_rows import end_lease, extend_lease, take_lease
from labelyard.ledger.tables import Batch, Dataset

LEASE_EXPIRED = "lease expired"
"""The history's words for a lease that another run took because its holder had not extended it."""


def acquire(
    tx: Transaction,
    batch: str,
    holder: str,
    states: Collection[BatchState],
    lease: timedelta,
    *,
    manual: bool = False,
    uses_store: bool = True,
) -> Batch:
    """Acquire the lease of a batch that is in one of `states`. Raises LeaseTaken with the reason where it cannot.

    A pause of the dataset stops what starts by itself, and not what a person does (`manual`).
    An open breaker of object storage stops what uses it.
    """
    now = tx.now
    if not manual:
        _check_not_paused(tx, batch)
    before = batches.get(tx, batch)
    expired = before.leased_by if before.leased_until is not None and before.leased_until <= now else None
    taken = take_lease(
        tx, Batch, batch, holder, lease,
        Batch.state.in_(list(states)),
        batches.unset_or_reached(Batch.leased_until, now),
        batches.unset_or_reached(Batch.not_before, now),
    )  # fmt: skip
    row = batches.get(tx, batch, lock=True)
    if taken:
        # Only after the lease is taken: a run that cannot have the batch must not use up the server's one trial.
        _check_servers(tx, row, uses_store=uses_store)
        row.events_in_vain = 0
        if expired is not None:
            record(tx, LEASE_EXPIRED, f"{expired} ended without giving it up, or lost the ledger", batch=row)
        return row
    if row.is_leased(now):
        raise LeaseTaken(f"{row.leased_by} has it until {row.leased_until:%H:%M:%S} UTC", where=batch)
    if row.state not in states:
        raise LeaseTaken(f"it is {row.state}: nothing to do here", where=batch)
    after = f" after: {row.error}" if row.error else " for CVAT"
    until = row.not_before or now
    raise LeasePostponed(
        f"it waits until {until:%H:%M:%S} UTC{after}",
        until=until,
        where=batch,
        next_step=f"labelyard retry {batch}",
    )


def _check_not_paused(tx: Transaction, batch: str) -> None:
    dataset = tx.get_one(Dataset, batches.get(tx, batch).dataset, populate_existing=True)
    if dataset.paused_at is not None:
        reason = f": {dataset.pause_reason}" if dataset.pause_reason else ""
        paused = f"{dataset.name} has been paused since {dataset.paused_at:%Y-%m-%d %H:%M} UTC{reason}"
        raise LeaseTaken(paused, where=batch, next_step=f"labelyard resume {dataset.name}")


def _check_servers(tx: Transaction, batch: Batch, *, uses_store: bool) -> None:
    """Raise LeasePostponed, which rolls the lease back, while a server of the batch has an open breaker."""
    store = [(breakers.STORE, breakers.STORE)] if uses_store else []
    for server, name in ((batch.cvat or "", f"CVAT {batch.cvat}"), *store):
        breaker = breakers.blocked_by(tx, server)
        if breaker is not None:
            assert breaker.open_until is not None, "a breaker that blocks is open until a time"
            raise LeasePostponed(
                f"{name} failed {breaker.failures} times, next try at {breaker.open_until:%H:%M:%S} UTC:"
                f" {breaker.error}",
                until=breaker.open_until,
                server=name,
                where=batch.id,
                next_step="labelyard doctor",
            )


def extend(tx: Transaction, batch: str, holder: str, lease: timedelta) -> None:
    """Extend a lease. Raises LeaseLost when the batch has another holder, or a person cancelled it.

    A lease that expired is extended too, as long as no other run has acquired the batch.
    """
    if not extend_lease(tx, Batch, batch, holder, lease):
        raise LeaseLost("the lease ran out and another run may be at work", where=batch)


def held(tx: Transaction, batch_ids: Collection[str]) -> set[str]:
    """Return those of the batches that have an unexpired lease."""
    query = select(Batch.id).where(Batch.id.in_(batch_ids), Batch.leased_until > tx.now)
    return set(tx.scalars(query))


def release(tx: Transaction, batch: str, holder: str) -> None:
    """Release a lease; do nothing when the batch has another holder by now."""
    end_lease(tx, Batch, batch, holder)
