from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labelyard.errors import LedgerUnreachable
from labelyard.ledger import Ledger, datasets, engine
from tests.support.ledger_samples import apply, dataset_spec


@contextmanager
def two_processes(url: str, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> Iterator[tuple[Ledger, Ledger]]:
    """Two connections to a ledger with a dataset, with shorter limits."""
    for name, value in seconds.items():
        monkeypatch.setattr(engine, name, value)
    first, second = Ledger(url), Ledger(url)
    apply(first, dataset_spec())
    yield first, second
    first.close()
    second.close()


def test_a_lock_is_waited_for_until_a_limit(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_processes(ledger_url, monkeypatch, LOCK_SECONDS=0.2) as (first, second), first.transaction() as tx:
        datasets.lock(tx, dataset_spec().name)
        with pytest.raises(LedgerUnreachable, match=r"lock timeout|locked"), second.transaction() as waiting:
            datasets.lock(waiting, dataset_spec().name)


def test_a_process_that_is_stopped_in_a_transaction_loses_its_locks_on_postgresql(
    postgres_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_processes(postgres_ledger, monkeypatch, IDLE_SECONDS=0.2) as (stopped, second):
        with pytest.raises(LedgerUnreachable, match=r"closed the connection.*idle-in-transaction"):
            lock_while_stopped(stopped, second)
        with stopped.transaction() as tx:  # with a new connection
            datasets.lock(tx, dataset_spec().name)


def lock_while_stopped(stopped: Ledger, second: Ledger) -> None:
    with stopped.transaction() as tx:
        datasets.lock(tx, dataset_spec().name)
        with second.transaction() as waiting:  # goes on as soon as the server has ended the other one
            datasets.lock(waiting, dataset_spec().name)
        datasets.lock(tx, dataset_spec().name)
