from __future__ import annotations

from datetime import timedelta

import pytest
from ledger_samples import Clock, an_object, closed_batch, dataset_spec, land
from sqlalchemy import func, select

from labelyard.errors import ClaimLost, ClaimTaken, LedgerError
from labelyard.ledger import Ledger, batches, claims, history, objects, outbox
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Announcement, Object
from labelyard.model import StoredObject
from labelyard.plan.lifecycle import INGESTING, BatchState, Event
from labelyard.spec import DatasetSpec

LEASE = timedelta(seconds=60)


def states(ledger: Ledger) -> dict[str, tuple[str, int]]:
    with ledger.read() as session:
        return {b.id: (b.state, b.objects) for b in batches.in_states(session, BatchState)}


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
    with ledger.write() as session:
        assert objects.land_marker(ledger, session, spec, marker, "event") is not None
    land(ledger, spec, an_object(2))
    with ledger.write() as session:
        assert objects.land_marker(ledger, session, spec, marker, "sweep") is None
    assert states(ledger) == {"street-00001": ("closed", 1), "street-00002": ("open", 1)}


def test_closing_fixes_the_name_and_writes_the_announcement_in_the_same_transaction(
    ledger: Ledger, spec: DatasetSpec
) -> None:
    batch = closed_batch(ledger, spec)
    assert batch.task_name is not None
    assert batch.task_name.startswith("street-00001 ")
    with ledger.read() as session:
        [(row, dataset)] = outbox.unsent(ledger, session)
        assert (row.event, row.batch_id, row.attempt, dataset) == (Event.BATCH_CLOSED, "street-00001", 1, "street")
        assert outbox.event_id(session, row) == outbox.event_id(session, row)


def test_a_state_cannot_be_skipped(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with pytest.raises(LedgerError, match="from closed to ready"), ledger.write() as session:
        batches.move(ledger, session, batches.get(session, "street-00001"), BatchState.READY, "for the test")


def test_only_one_of_two_runs_gets_a_batch(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE)
    with pytest.raises(ClaimTaken, match="one has it until 12:01:00"), ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "two", INGESTING, LEASE)


def test_a_dead_workers_lease_runs_out_and_its_return_is_refused(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE)
    clock.turn(seconds=59)
    with ledger.write() as session:
        claims.extend(ledger, session, "street-00001", "one", LEASE)
    clock.turn(seconds=60)
    with ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "two", INGESTING, LEASE)
    with pytest.raises(ClaimLost), ledger.write() as session:
        claims.extend(ledger, session, "street-00001", "one", LEASE)
    with ledger.write() as session:
        claims.release(session, "street-00001", "one")
        claims.extend(ledger, session, "street-00001", "two", LEASE)


def test_a_batch_whose_work_is_done_is_not_to_be_had(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, an_object(1))
    with pytest.raises(ClaimTaken, match="it is open"), ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE)


def test_a_failure_that_may_pass_waits_and_says_why(ledger: Ledger, spec: DatasetSpec, clock: Clock) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        batch = batches.get(session, "street-00001", lock=True)
        batches.put_back(ledger, session, batch, "CVAT is away", "labelyard doctor", timedelta(seconds=30))
    with pytest.raises(ClaimTaken, match="it waits until 12:00:30 UTC after: CVAT is away"), ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE)
    clock.turn(seconds=30)
    with ledger.write() as session:
        assert claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE).attempts == 1


def test_a_failed_batch_resumes_where_it_was_when_a_person_says_so(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        batch = batches.get(session, "street-00001", lock=True)
        batches.move(ledger, session, batch, BatchState.CREATED, "for the test")
        batches.fail(ledger, session, batch, "broken", "labelyard retry street-00001")
    with ledger.write() as session:
        batch = batches.get(session, "street-00001", lock=True)
        assert (batch.state, batch.error) == (BatchState.FAILED, "broken")
        assert batches.retry(ledger, session, batch) == Event.BATCH_CLOSED
        assert (batch.state, batch.error) == (BatchState.CREATED, None)


def test_what_nobody_takes_is_announced_again_and_what_somebody_has_is_not(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    closed_batch(ledger, spec)

    def unclaimed() -> list[str]:
        with ledger.write() as session:
            return [batch.id for batch in batches.unclaimed(ledger, session, quiet=timedelta(seconds=60))]

    assert unclaimed() == []
    clock.turn(seconds=61)
    assert unclaimed() == []  # it was never sent, and still will be
    with ledger.write() as session:
        for row, _ in outbox.unsent(ledger, session):
            session.get_one(Announcement, row.id).sent_at = ledger.now(session)
    assert unclaimed() == ["street-00001"]
    with ledger.write() as session:
        claims.claim(ledger, session, "street-00001", "one", INGESTING, LEASE)
    assert unclaimed() == []
    clock.turn(seconds=61)
    assert unclaimed() == ["street-00001"]


def test_the_history_of_an_object_tells_its_own_and_its_batchs_story(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        [first] = objects.named(session, "incoming", "street/0000.jpg")
        objects.refuse(ledger, session, first, "no image")
        told = [(entry.what, entry.reason) for entry in history.of_object(session, first)]
    assert told == [
        ("landed", "told by event, into batch street-00001"),
        ("closed", "closed with 3 objects: it holds 3 objects"),
        ("set aside", "no image"),
    ]


def test_lacking_tells_what_a_listing_has_and_the_ledger_has_not(ledger: Ledger, spec: DatasetSpec) -> None:
    land(ledger, spec, an_object(1), an_object(2))
    listed = [an_object(1), an_object(2, etag="new"), an_object(3)]
    with ledger.read() as session:
        assert objects.lacking(session, "street", listed) == listed[1:]
        assert session.scalar(select(func.count()).select_from(Object)) == 2


def test_a_failure_is_shown_however_many_batches_came_after_it(ledger: Ledger, spec: DatasetSpec) -> None:
    closed_batch(ledger, spec)
    with ledger.write() as session:
        batches.fail(ledger, session, batches.get(session, "street-00001"), "broken", "labelyard retry street-00001")
    land(ledger, spec, an_object(7))
    with ledger.read() as session:
        seen = overview(session, ledger.now(session), limit=1)
    assert [line.id for line in seen.batches] == ["street-00002", "street-00001"]
