from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject
from labelyard.domain.states import INGESTING, BatchState, Event
from labelyard.errors import LeaseLost, LeaseTaken, LedgerError
from labelyard.ledger import Ledger, batches, history, leases, objects, outbox
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Object, OutboxEvent
from tests.support.ledger_samples import Clock, an_object, closed_batch, dataset_spec, land

LEASE = timedelta(seconds=60)


def states(ledger: Ledger) -> dict[str, tuple[str, int]]:
    with ledger.read_only() as tx:
        return {b.id: (b.state, b.objects) for b in batches.in_states(tx, BatchState)}


def test_an_object_told_of_twice_is_one_row_whoever_tells(ledger: Ledger, spec: DatasetSpec) -> None:
    assert land(ledger, spec, an_object(1)) == 1
    assert land(ledger, spec, an_object(1), via="sweep") == 0
    assert land(ledger, spec, an_object(1, etag="other content")) == 1
    assert states(ledger) == {"street-00001": ("open", 2)}


def test_a_full_batch_closes_and_the_next_object_opens_another(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, *(an_object(i) for i in range(4)))
    assert states(ledger) == {"street-00001": ("closed", 3), "street-00002": ("open", 1)}


def test_an_object_that_would_be_too_much_closes_the_batch_before_it(ledger: Ledger, spec: DatasetSpec) -> None:
    small = dataset_spec(max_bytes=100)
    land(ledger, small, an_object(1, size=60), an_object(2, size=60))
    assert states(ledger) == {"street-00001": ("closed", 1), "street-00002": ("open", 1)}


def test_a_marker_closes_the_open_batch_once(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, an_object(1))
    marker = StoredObject("incoming", "street/_SUCCESS", "m", 0)
    with ledger.transaction() as tx:
        assert objects.register_marker(tx, spec, marker, "event") is not None
    land(ledger, spec, an_object(2))
    with ledger.transaction() as tx:
        assert objects.register_marker(tx, spec, marker, "sweep") is None
    assert states(ledger) == {"street-00001": ("closed", 1), "street-00002": ("open", 1)}


def test_closing_fixes_the_name_and_writes_the_announcement_in_the_same_transaction(
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


def test_only_one_of_two_runs_gets_a_batch(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    with pytest.raises(LeaseTaken, match="one has it until 12:01:00"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "two", INGESTING, LEASE)


def test_a_dead_workers_lease_runs_out_and_its_return_is_refused(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    clock.turn(seconds=59)
    with ledger.transaction() as tx:
        leases.extend(tx, "street-00001", "one", LEASE)
    clock.turn(seconds=60)
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "two", INGESTING, LEASE)
    with pytest.raises(LeaseLost), ledger.transaction() as tx:
        leases.extend(tx, "street-00001", "one", LEASE)
    with ledger.transaction() as tx:
        leases.release(tx, "street-00001", "one")
        leases.extend(tx, "street-00001", "two", LEASE)


def test_a_batch_whose_work_is_done_is_not_to_be_had(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, an_object(1))
    with pytest.raises(LeaseTaken, match="it is open"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)


def test_a_failure_that_may_pass_waits_and_says_why(ledger: Ledger, spec: DatasetSpec, clock: Clock) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batch = batches.get(tx, "street-00001", lock=True)
        batches.postpone(tx, batch, "CVAT is away", "labelyard doctor", timedelta(seconds=30))
    with pytest.raises(LeaseTaken, match="it waits until 12:00:30 UTC after: CVAT is away"), ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    clock.turn(seconds=30)
    with ledger.transaction() as tx:
        assert leases.acquire(tx, "street-00001", "one", INGESTING, LEASE).attempts == 1


def test_a_failed_batch_resumes_where_it_was_when_a_person_says_so(ledger: Ledger, spec: DatasetSpec) -> None:
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


def test_what_nobody_takes_is_announced_again_and_what_somebody_has_is_not(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)

    def unclaimed() -> list[str]:
        with ledger.transaction() as tx:
            return [batch.id for batch in batches.without_run(tx, quiet=timedelta(seconds=60))]

    assert unclaimed() == []
    clock.turn(seconds=61)
    assert unclaimed() == []  # it was never sent, and still will be
    with ledger.transaction() as tx:
        for row, _ in outbox.unpublished(tx):
            tx.get_one(OutboxEvent, row.id).published_at = tx.now
    assert unclaimed() == ["street-00001"]
    with ledger.transaction() as tx:
        leases.acquire(tx, "street-00001", "one", INGESTING, LEASE)
    assert unclaimed() == []
    clock.turn(seconds=61)
    assert unclaimed() == ["street-00001"]


def test_the_history_of_an_object_tells_its_own_and_its_batchs_story(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        [first] = objects.of_key(tx, "incoming", "street/0000.jpg")
        objects.quarantine(tx, first, "no image")
        told = [(entry.what, entry.reason) for entry in history.of_object(tx, first)]
    assert told == [
        ("landed", "told by event, into batch street-00001"),
        ("closed", "closed with 3 objects: it holds 3 objects"),
        ("set aside", "no image"),
    ]


def test_lacking_tells_what_a_listing_has_and_the_ledger_has_not(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, an_object(1), an_object(2))
    listed = [an_object(1), an_object(2, etag="new"), an_object(3)]
    with ledger.read_only() as tx:
        assert objects.unregistered(tx, "street", listed) == listed[1:]
        assert tx.scalar(select(func.count()).select_from(Object)) == 2


def test_a_failure_is_shown_however_many_batches_came_after_it(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.transaction() as tx:
        batches.fail(tx, batches.get(tx, "street-00001"), "broken", "labelyard retry street-00001")
    land(ledger, spec, an_object(7))
    with ledger.read_only() as tx:
        seen = overview(tx, limit=1)
    assert [line.id for line in seen.batches] == ["street-00002", "street-00001"]
