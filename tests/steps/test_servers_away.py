"""Servers that are away: their batches wait in the ledger, and one run tries for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from step_bench import Bench, ingest, picture

from labelyard.errors import ClaimTaken, CvatBusy, StoreUnreachable
from labelyard.ledger import batches, breakers, outbox
from labelyard.ledger.tables import Announcement
from labelyard.settings import StoreSettings
from labelyard.steps.closing import close_now
from labelyard.steps.explaining import explain
from labelyard.steps.landing import sweep
from labelyard.steps.probing import probe
from labelyard.storage import Store

NOWHERE = StoreSettings(
    endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
)


def waiting(bench: Bench, count: int) -> list[str]:
    """Closed batches that nobody has taken."""
    found = []
    for i in range(count):
        bench.put(f"{i}.jpg", picture(i))
        sweep(bench.place)
        found.append(close_now(bench.place, "street").id)
    return found


def unsent(bench: Bench) -> list[str]:
    with bench.place.ledger.read() as session:
        return [row.batch_id for row, _ in outbox.unsent(bench.place.ledger, session)]


def send(bench: Bench) -> list[str]:
    """What Prefect is told, and says yes to."""
    sent = unsent(bench)
    with bench.place.ledger.write() as session:
        for row, _ in outbox.unsent(bench.place.ledger, session):
            session.get_one(Announcement, row.id).sent_at = bench.place.ledger.now(session)
    return sent


def announce_again(bench: Bench) -> int:
    """How many batches the next sweep announces; Prefect has nothing that waits."""
    with bench.place.ledger.write() as session:
        return len(batches.announce_again(bench.place.ledger, session, quiet=timedelta(milliseconds=1), queued=()))


def wait_over(bench: Bench) -> None:
    with bench.place.ledger.write() as session:
        for row in breakers.troubled(session):
            row.open_until = bench.place.ledger.now(session)


def later(bench: Bench, time: timedelta) -> None:
    """So much of the wait passes."""
    with bench.place.ledger.write() as session:
        for row in breakers.troubled(session):
            assert row.open_until is not None
            row.open_until -= time


def leave_alone(bench: Bench, server: str) -> None:
    with bench.place.ledger.write() as session:
        for _ in range(breakers.PATIENCE):
            breakers.record_failure(bench.place.ledger, session, server, "gone fishing")


def troubled(bench: Bench) -> dict[str, int]:
    with bench.place.ledger.read() as session:
        return {row.server: row.failures for row in breakers.troubled(session)}


@pytest.fixture
def store_away(bench: Bench) -> Iterator[list[str]]:
    """Four closed batches, and a store that does not answer."""
    ids = waiting(bench, 4)
    store, bench.place.store = bench.place.store, Store(NOWHERE)
    yield ids
    bench.place.store = store


def test_a_store_that_is_away_is_left_alone_by_every_batch_until_a_probe_finds_it_back(
    bench: Bench, store_away: list[str]
) -> None:
    store = Store(bench.place.settings.store)
    with bench.place.ledger.write() as session:
        for _ in range(breakers.PATIENCE - 1):
            breakers.record_failure(bench.place.ledger, session, breakers.STORE, "gone fishing")
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])
    assert troubled(bench) == {breakers.STORE: breakers.PATIENCE}
    with pytest.raises(ClaimTaken, match="object storage failed 3 times, next try at"):
        ingest(bench, store_away[1])
    assert unsent(bench) == []
    assert announce_again(bench) == 0
    assert sweep(bench.place).failed == []
    told = "\n".join(explain(bench.place, store_away[1])[0].now)
    assert "object storage keeps failing and gets no work for now; it is asked each minute: s3://" in told
    wait_over(bench)
    assert list(probe(bench.place)) == [breakers.STORE]
    bench.place.store = store
    wait_over(bench)
    assert not probe(bench.place)
    ingest(bench, store_away[1])
    assert bench.line(store_away[1]).state == "assigned"


def test_a_sweep_counts_a_store_that_is_away_and_one_bucket_that_answers_takes_it_back(
    bench: Bench, store_away: list[str]
) -> None:
    del store_away
    for left in range(breakers.PATIENCE, 0, -1):
        assert (len(sweep(bench.place).failed), len(troubled(bench))) == (1, int(left == 1))
    assert not sweep(bench.place).failed


def test_however_long_a_server_is_away_a_probe_asks_it_each_minute_and_no_run_has_to_try(
    bench: Bench, store_away: list[str]
) -> None:
    del store_away
    store = Store(bench.place.settings.store)
    for _ in range(100):
        leave_alone(bench, breakers.STORE)
    failures = troubled(bench)[breakers.STORE]
    asked = []
    for minutes in (0.9, 0.2):
        later(bench, timedelta(minutes=minutes))
        assert probe(bench.place)
        asked.append(troubled(bench)[breakers.STORE] - failures)
    assert asked == [0, 1]
    assert announce_again(bench) == 0
    bench.place.store = store
    later(bench, timedelta(minutes=1))
    assert not probe(bench.place)


def test_a_batch_that_has_failed_a_hundred_times_is_tried_again_after_five_minutes(
    bench: Bench, store_away: list[str]
) -> None:
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])  # makes the task, and counts anew
    with bench.place.ledger.write() as session:
        batch = batches.get(session, store_away[0])
        batch.attempts, batch.not_before = 100, None
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])
    with bench.place.ledger.read() as session:
        until = batches.get(session, store_away[0]).not_before
        assert until is not None
        assert timedelta(minutes=4) < until - bench.place.ledger.now(session) <= timedelta(minutes=5)


@pytest.mark.parametrize("server", ["default", breakers.STORE])
def test_after_the_wait_one_batch_is_announced_for_the_server_and_the_rest_when_it_works_again(
    bench: Bench, server: str
) -> None:
    first, *rest = waiting(bench, 5)
    assert send(bench) == [first, *rest]
    leave_alone(bench, server)
    assert announce_again(bench) == 0
    wait_over(bench)
    assert announce_again(bench) == 1
    assert (send(bench), send(bench)) == ([first], [])
    assert announce_again(bench) == 0
    ingest(bench, first)
    assert announce_again(bench) == len(rest)
    assert send(bench) == rest


def test_what_was_never_announced_waits_for_the_one_that_tries_too_and_is_announced_once(bench: Bench) -> None:
    first, *rest = waiting(bench, 5)
    leave_alone(bench, "default")
    assert send(bench) == []
    wait_over(bench)
    assert (send(bench), send(bench)) == ([first], [])
    bench.sandbox.faults.set([{"on": "* /*", "status": 503}])
    with pytest.raises(CvatBusy):
        ingest(bench, first)
    bench.sandbox.faults.clear()
    assert send(bench) == []
    wait_over(bench)
    assert send(bench) == rest[:1]
    ingest(bench, rest[0])
    assert announce_again(bench) == 0
    assert send(bench) == rest[1:]
