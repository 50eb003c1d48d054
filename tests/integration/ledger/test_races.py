"""Two transactions at the same moment, on each database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import TypeVar

from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.ledger import Ledger, Transaction, batches, breakers, objects
from tests.support.ledger_samples import an_object, closed_batch, register

T = TypeVar("T")


def during(ledger: Ledger, first: Callable[[Transaction], object], second: Callable[[], T]) -> T:
    """Return the result of `second`, which begins after `first` has written and before it commits."""
    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as tx:
            first(tx)
            tx.flush()
            running: Future[T] = pool.submit(second)
            with suppress(NotYet):
                running.result(timeout=3)  # it waits for the first transaction, or is done
        return running.result()


def states(ledger: Ledger) -> dict[str, tuple[str, int, int]]:
    """Return the state, the counted and the real number of members of each batch."""
    with ledger.read_only() as tx:
        found = batches.in_states(tx, BatchState)
        return {b.id: (b.state, b.objects, len(batches.members(tx, b.id))) for b in found}


def close(ledger: Ledger) -> Callable[[Transaction], None]:
    return lambda tx: batches.close(tx, batches.get(tx, "street-00001", lock=True), "for the test")


def test_an_object_that_is_registered_while_the_batch_closes_is_in_the_next(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, an_object(1))
    assert during(ledger, close(ledger), lambda: register(ledger, spec, an_object(2))) == 1
    assert states(ledger) == {"street-00001": ("closed", 1, 1), "street-00002": ("open", 1, 1)}


def test_closing_and_registering_never_wait_for_each_other(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, an_object(1))
    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as tx:
            batch = batches.get(tx, "street-00001", lock=True)
            running = pool.submit(register, ledger, spec, an_object(2))
            with suppress(NotYet):
                running.result(timeout=1)  # it has locked the dataset, and waits for the batch
            batches.close(tx, batch, "for the test")
            tx.flush()
        assert running.result() == 1
    assert states(ledger) == {"street-00001": ("closed", 1, 1), "street-00002": ("open", 1, 1)}


def test_a_marker_that_arrives_while_the_batch_closes_closes_nothing_twice(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, an_object(1))

    def marker() -> object:
        with ledger.transaction() as tx:
            return objects.register_marker(tx, spec, StoredObject("incoming", "street/_SUCCESS", "m", 0), "event")

    assert during(ledger, close(ledger), marker) == []
    with ledger.read_only() as tx:
        assert batches.get(tx, "street-00001").event_count == 1


def test_two_runs_that_fail_on_the_same_server_at_once_are_both_counted(ledger: Ledger, spec: DatasetSpec) -> None:
    def fail() -> bool:
        with ledger.transaction() as tx:
            return breakers.record_failure(tx, "default", "away")

    assert not during(ledger, lambda tx: breakers.record_failure(tx, "default", "away"), fail)
    assert fail()


def test_a_failed_batch_that_is_retried_gets_one_event(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001", lock=True)
        batches.fail(tx, batch, "broken", "labelyard retry street-00001")
        before = batch.event_count
        batches.retry(tx, batch)
        assert batch.event_count == before + 1
