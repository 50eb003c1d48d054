"""Servers that are away: their batches wait in the ledger, and one run tries for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from labelyard.errors import CvatBusy, LeaseTaken, StoreUnreachable
from labelyard.ledger import batches, breakers, outbox
from labelyard.ledger.tables import OutboxEvent
from labelyard.operations.explain import explain
from labelyard.operations.probe_servers import probe
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.settings import StoreSettings
from labelyard.storage.store import Store
from tests.support.bench import Bench, ingest, picture

NOWHERE = StoreSettings(
    endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
)


def waiting(bench: Bench, count: int) -> list[str]:
    """Closed batches that nobody has taken."""
    found = []
    for i in range(count):
        bench.put(f"{i}.jpg", picture(i))
        sweep_sources(bench.context)
        found.append(close_now(bench.context, "street").id)
    return found


def unsent(bench: Bench) -> list[str]:
    with bench.context.ledger.read_only() as tx:
        return [row.batch_id for row, _ in outbox.unsent(tx)]


def send(bench: Bench) -> list[str]:
    """What Prefect is told, and says yes to."""
    sent = unsent(bench)
    with bench.context.ledger.transaction() as tx:
        for row, _ in outbox.unsent(tx):
            tx.get_one(OutboxEvent, row.id).sent_at = tx.now
    return sent


def publish_again(bench: Bench) -> int:
    """How many batches the next sweep announces; Prefect has nothing that waits."""
    with bench.context.ledger.transaction() as tx:
        return len(batches.publish_again(tx, quiet=timedelta(milliseconds=1), queued=()))


def wait_over(bench: Bench) -> None:
    with bench.context.ledger.transaction() as tx:
        for row in breakers.troubled(tx):
            row.open_until = tx.now


def later(bench: Bench, time: timedelta) -> None:
    """So much of the wait passes."""
    with bench.context.ledger.transaction() as tx:
        for row in breakers.troubled(tx):
            assert row.open_until is not None
            row.open_until -= time


def leave_alone(bench: Bench, server: str) -> None:
    with bench.context.ledger.transaction() as tx:
        for _ in range(breakers.PATIENCE):
            breakers.record_failure(tx, server, "gone fishing")


def troubled(bench: Bench) -> dict[str, int]:
    with bench.context.ledger.read_only() as tx:
        return {row.server: row.failures for row in breakers.troubled(tx)}


@pytest.fixture
def store_away(bench: Bench) -> Iterator[list[str]]:
    """Four closed batches, and a store that does not answer."""
    ids = waiting(bench, 4)
    store, bench.context.store = bench.context.store, Store(NOWHERE)
    yield ids
    bench.context.store = store


def test_a_store_that_is_away_is_left_alone_by_every_batch_until_a_probe_finds_it_back(
    bench: Bench, store_away: list[str]
) -> None:
    store = Store(bench.context.settings.store)
    with bench.context.ledger.transaction() as tx:
        for _ in range(breakers.PATIENCE - 1):
            breakers.record_failure(tx, breakers.STORE, "gone fishing")
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])
    assert troubled(bench) == {breakers.STORE: breakers.PATIENCE}
    with pytest.raises(LeaseTaken, match="object storage failed 3 times, next try at"):
        ingest(bench, store_away[1])
    assert unsent(bench) == []
    assert publish_again(bench) == 0
    assert sweep_sources(bench.context).failed == []
    told = "\n".join(explain(bench.context, store_away[1])[0].now)
    assert "object storage keeps failing and gets no work for now; it is asked each minute: s3://" in told
    wait_over(bench)
    assert list(probe(bench.context)) == [breakers.STORE]
    bench.context.store = store
    wait_over(bench)
    assert not probe(bench.context)
    ingest(bench, store_away[1])
    assert bench.line(store_away[1]).state == "assigned"


def test_a_sweep_counts_a_store_that_is_away_and_one_bucket_that_answers_takes_it_back(
    bench: Bench, store_away: list[str]
) -> None:
    del store_away
    for left in range(breakers.PATIENCE, 0, -1):
        assert (len(sweep_sources(bench.context).failed), len(troubled(bench))) == (1, int(left == 1))
    assert not sweep_sources(bench.context).failed


def test_however_long_a_server_is_away_a_probe_asks_it_each_minute_and_no_run_has_to_try(
    bench: Bench, store_away: list[str]
) -> None:
    del store_away
    store = Store(bench.context.settings.store)
    for _ in range(100):
        leave_alone(bench, breakers.STORE)
    failures = troubled(bench)[breakers.STORE]
    asked = []
    for minutes in (0.9, 0.2):
        later(bench, timedelta(minutes=minutes))
        assert probe(bench.context)
        asked.append(troubled(bench)[breakers.STORE] - failures)
    assert asked == [0, 1]
    assert publish_again(bench) == 0
    bench.context.store = store
    later(bench, timedelta(minutes=1))
    assert not probe(bench.context)


@pytest.mark.slow
def test_a_batch_that_has_failed_a_hundred_times_is_tried_again_after_five_minutes(
    bench: Bench, store_away: list[str]
) -> None:
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])  # makes the task, and counts anew
    with bench.context.ledger.transaction() as tx:
        batch = batches.get(tx, store_away[0])
        batch.attempts, batch.not_before = 100, None
    with pytest.raises(StoreUnreachable):
        ingest(bench, store_away[0])
    with bench.context.ledger.read_only() as tx:
        until = batches.get(tx, store_away[0]).not_before
        assert until is not None
        assert timedelta(minutes=4) < until - tx.now <= timedelta(minutes=5)


@pytest.mark.parametrize("server", ["default", breakers.STORE])
def test_after_the_wait_one_batch_is_announced_for_the_server_and_the_rest_when_it_works_again(
    bench: Bench, server: str
) -> None:
    first, *rest = waiting(bench, 5)
    assert send(bench) == [first, *rest]
    leave_alone(bench, server)
    assert publish_again(bench) == 0
    wait_over(bench)
    assert publish_again(bench) == 1
    assert (send(bench), send(bench)) == ([first], [])
    assert publish_again(bench) == 0
    ingest(bench, first)
    assert publish_again(bench) == len(rest)
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
    assert publish_again(bench) == 0
    assert send(bench) == rest[1:]
