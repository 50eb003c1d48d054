"""Which watchers and workers run: each says so in the ledger, because nobody can ask all hosts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select

from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.process_tables import RunningProcess

WATCHER, WORKER = "watcher", "worker"
"""The kinds of processes."""
SILENCE = timedelta(seconds=100)
"""Who was not seen for so long does not run any more: three signs of life were missed."""
_REMEMBERED = timedelta(hours=1)
"""How long a process that was killed is remembered."""


def show(tx: Transaction, name: str, *, kind: str, version: str, prefect: str | None, clock_seconds: float) -> None:
    """Record that a process runs; forget those that were not seen for an hour."""
    now = tx.now
    changing = {"version": version, "prefect": prefect, "clock_seconds": clock_seconds, "seen_at": now}
    added = dialect_insert(tx, RunningProcess).values(name=name, kind=kind, since=now, **changing)
    tx.execute(added.on_conflict_do_update(index_elements=["name"], set_=changing | {"kind": kind}))
    tx.execute(delete(RunningProcess).where(RunningProcess.seen_at < now - _REMEMBERED))


def end(tx: Transaction, name: str) -> None:
    """Record that a process has ended."""
    tx.execute(delete(RunningProcess).where(RunningProcess.name == name))


def known(tx: Transaction) -> Sequence[RunningProcess]:
    """Return the processes that run, and those that were killed within an hour, by kind and name."""
    return tx.scalars(select(RunningProcess).order_by(RunningProcess.kind, RunningProcess.name)).all()


def count(tx: Transaction, kind: str) -> int:
    """Return how many processes of a kind run."""
    running = select(func.count()).where(RunningProcess.kind == kind, RunningProcess.seen_at > tx.now - SILENCE)
    return tx.scalar(running) or 0
