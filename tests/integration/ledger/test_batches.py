from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject
from labelyard.domain.states import INGESTING, BatchState, Event
from labelyard.errors import LeaseLost, LeasePostponed, LeaseTaken, LedgerError
from labelyard.ledger import Ledger, batches, breakers, history, leases, objects, outbox
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Object, OutboxEvent
from tests.support.ledger_samples import Clock, an_object, closed_batch, dataset_spec, register

LEASE = timedelta(seconds=60)


def states(ledger: Ledger) -> dict[str, tuple[str, int]]:
    with ledger.read_only() as tx:
        return {b.id: (b.state, b.objects) for b in batches.in_states(tx, BatchState)}


def test_an_object_notified_twice_is_registered_once(ledger: Ledger, spec: DatasetSpec) -> None:
    assert register(ledger, spec, an_object(1)) == 1
    assert register(ledger, spec, an_object(1), via="sweep") == 0
    assert register(ledger, spec, an_object(1, etag="other content")) == 1
    assert states(ledger) == {"street-00001": ("open", 2)}


def test_a_full_batch_closes_and_the_next_object_opens_another(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, *(an_object(i) for i in range(4)))
    assert states(ledger) == {"street-00001": ("closed", 3), "street-00002": ("open", 1)}


def test_an_object_that_would_exceed_the_bytes_closes_the_batch_before_it(ledger: Ledger, spec: DatasetSpec) -> None:
    small = dataset_spec(max_bytes=100)
    register(ledger, small, an_object(1, size=60), an_object(2, size=60))
    assert states(ledger) == {"street-00001": ("closed", 1), "street-00002": ("open", 1)}


def test_a_marker_closes_the_open_batch_once(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, an_object(1))
    marker = StoredObject("incoming", "street/_SUCCESS", "m", 0)
    with ledger.transaction() as tx:
        assert [batch.id for batch in objects.register_marker(tx, spec, marker, "event")] == ["street-00001"]
    register(ledger, spec, an_object(2))
    with ledger.transaction() as tx:
        assert objects.register_marker(tx, spec, marker, "sweep") == []
    assert states(ledger) == {"street-00001": ("closed", 1), "street-00002": ("open", 1)}


def test_closing_fixes_the_task_name_and_writes_the_event_in_the_same_transaction(
    ledger: Ledger, spec: DatasetSpec
) -> None:
    batch = closed_batch(ledger, spec)
    assert batch.task_name is not None
    assert batch.task_name.startswith("street-00001 ")
    with ledger.read_only() as tx:
        [(row, dataset)] = outbox.unpublished(tx)
        assert (row.event, row.batch_id, row.attempt, dataset) == (Event.BATCH_CLOSED, "street-00001", 1, "street")
        assert outbox.event_id(tx, row) == outbox.event_id(tx, row)


def test_a_state_cannot_be_skipped(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with pytest.raises(LedgerError, match="from closed to ready"), ledger.transaction() as tx:
        batches.move(tx, batches.get(tx, "street-00001"), BatchState.READY, "for the test")


def test_only_one_of_two_runs_acquires_a_batch(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    with pytest.raises(LeaseTaken, match="one has it until 12:01:00"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "two", INGESTING, LEASE)


def test_the_lease_of_a_dead_worker_expires_and_it_cannot_extend_it_later(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    clock.advance(seconds=59)
    with ledger.transaction() as tx:
        leases.extend(tx, "street-00001", "one", LEASE)
    clock.advance(seconds=60)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "two", INGESTING, LEASE)
    with pytest.raises(LeaseLost), ledger.transaction() as tx:
        leases.extend(tx, "street-00001", "one", LEASE)
    with ledger.transaction() as tx:
        leases.release(tx, "street-00001", "one")
        leases.extend(tx, "street-00001", "two", LEASE)


def test_work_without_object_storage_does_not_wait_for_it(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        for _ in range(3):
            breakers.record_failure(tx, breakers.STORE, "it is away")
    with pytest.raises(LeasePostponed, match="object storage"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    with ledger.transaction() as tx:
        assert leases.acquire(tx, "street-00001", "one", INGESTING, LEASE, uses_store=False).leased_by == "one"


def test_a_trial_whose_run_is_lost_is_followed_by_another(ledger: Ledger, spec: DatasetSpec, clock: Clock) -> None:
    """Seed 104854202 of the chaos runs: the run of the trial asked CVAT nothing, and no other one was ever started."""
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        for _ in range(3):
            breakers.record_failure(tx, breakers.STORE, "it is away")
    clock.advance(seconds=20)
    with ledger.transaction() as tx:
        tx.scalars(select(OutboxEvent)).one().published_at = tx.now
    waits = {}
    for minutes in (2, 4):
        clock.advance(minutes=minutes)
        with ledger.read_only() as tx:
            waits[minutes] = [batch.id for batch in batches.without_run(tx, quiet=timedelta(seconds=60))]
    assert waits == {2: [], 4: ["street-00001"]}


def test_a_batch_in_another_state_cannot_be_acquired(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, an_object(1))
    with pytest.raises(LeaseTaken, match="it is open"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)


def test_a_postponed_batch_waits_and_gives_the_reason(ledger: Ledger, spec: DatasetSpec, clock: Clock) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001", lock=True)
        batches.postpone(tx, batch, "CVAT is away", "labelyard doctor", timedelta(seconds=30))
    with pytest.raises(LeaseTaken, match="it waits until 12:00:30 UTC after: CVAT is away"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    clock.advance(seconds=30)
    with ledger.transaction() as tx:
        assert leases.acquire(tx, "street-00001", "one", INGESTING, LEASE).attempts == 1


def test_a_failed_batch_that_a_person_retries_resumes_in_the_state_it_had(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001", lock=True)
        batches.move(tx, batch, BatchState.CREATED, "for the test")
        batches.fail(tx, batch, "broken", "labelyard retry street-00001")
    with ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001", lock=True)
        assert (batch.state, batch.error) == (BatchState.FAILED, "broken")
        assert batches.retry(tx, batch) == Event.BATCH_CLOSED
        assert (batch.state, batch.error) == (BatchState.CREATED, None)


def test_a_batch_without_a_run_is_published_again_and_one_with_a_lease_is_not(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)

    def without_run() -> list[str]:
        with ledger.transaction() as tx:
            return [batch.id for batch in batches.without_run(tx, quiet=timedelta(seconds=60))]

    assert without_run() == []
    clock.advance(seconds=61)
    assert without_run() == []  # its event is not published yet
    with ledger.transaction() as tx:
        for row, _ in outbox.unpublished(tx):
            tx.get_one(OutboxEvent, row.id).published_at = tx.now
    assert without_run() == ["street-00001"]
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    assert without_run() == []
    clock.advance(seconds=61)
    assert without_run() == ["street-00001"]


def test_the_history_of_an_object_includes_that_of_its_batch(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        [first] = objects.of_key(tx, "incoming", "street/0000.jpg")
        objects.quarantine(tx, first, "no image")
        entries = [(entry.what, entry.reason) for entry in history.of_object(tx, first)]
    assert entries == [
        ("registered", "registered by event, added to batch street-00001"),
        ("closed", "closed with 3 objects: it holds 3 objects"),
        ("quarantined", "no image"),
    ]


def test_unregistered_returns_the_listed_objects_that_the_ledger_does_not_have(
    ledger: Ledger, spec: DatasetSpec
) -> None:
    register(ledger, spec, an_object(1), an_object(2))
    listed = [an_object(1), an_object(2, etag="new"), an_object(3)]
    with ledger.read_only() as tx:
        assert objects.unregistered(tx, "street", listed) == listed[1:]
        assert tx.scalar(select(func.count()).select_from(Object)) == 2


def test_the_overview_shows_a_failure_however_many_batches_came_after_it(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batches.fail(tx, batches.get(tx, "street-00001"), "broken", "labelyard retry street-00001")
    register(ledger, spec, an_object(7))
    with ledger.read_only() as tx:
        seen = overview(tx, limit=1)
    assert [line.id for line in seen.batches] == ["street-00002", "street-00001"]
