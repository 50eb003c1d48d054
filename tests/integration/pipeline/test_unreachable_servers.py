"""A server that keeps failing gets no work: its batches wait in the ledger, and one run tries for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from labelyard.domain.states import BatchState
from labelyard.errors import CvatBusy, LabelyardError, LeaseTaken, StoreUnreachable
from labelyard.ledger import batches, breakers, outbox
from labelyard.ledger.tables import OutboxEvent
from labelyard.operations.explain import explain
from labelyard.operations.probe_servers import probe
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.server_settings import StoreSettings
from labelyard.storage.store import Store
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

pytestmark = pytest.mark.usefixtures("fast_retries")

NOWHERE = StoreSettings(
    endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
)


def waiting(workspace: Workspace, count: int) -> list[str]:
    """Close batches that no run works on; return their ids."""
    found = []
    for i in range(count):
        workspace.put(f"{i}.jpg", picture(i))
        found.append(workspace.close_batch())
    return found


def unpublished(workspace: Workspace) -> list[str]:
    with workspace.context.ledger.read_only() as tx:
        return [row.batch_id for row, _ in outbox.unpublished(tx)]


def send(workspace: Workspace) -> list[str]:
    """Publish the outbox as if Prefect accepted it; return the batches."""
    sent = unpublished(workspace)
    with workspace.context.ledger.transaction() as tx:
        for row, _ in outbox.unpublished(tx):
            tx.get_one(OutboxEvent, row.id).published_at = tx.now
    return sent


def publish_again(workspace: Workspace) -> int:
    """Return how many batches the next sweep adds to the outbox, if Prefect has no queued run."""
    with workspace.context.ledger.transaction() as tx:
        return len(batches.publish_again(tx, quiet=timedelta(milliseconds=1), queued=()))


def end_wait(workspace: Workspace) -> None:
    with workspace.context.ledger.transaction() as tx:
        for row in breakers.failing(tx):
            row.open_until = tx.now


def advance(workspace: Workspace, time: timedelta) -> None:
    """Let a part of the wait pass."""
    with workspace.context.ledger.transaction() as tx:
        for row in breakers.failing(tx):
            assert row.open_until is not None
            row.open_until -= time


def open_breaker(workspace: Workspace, server: str) -> None:
    with workspace.context.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, server, "no answer")


def failures(workspace: Workspace) -> dict[str, int]:
    with workspace.context.ledger.read_only() as tx:
        return {row.server: row.failures for row in breakers.failing(tx)}


@pytest.fixture
def unreachable_store(workspace: Workspace) -> Iterator[list[str]]:
    """Four closed batches, and a store that does not answer."""
    ids = waiting(workspace, 4)
    store, workspace.context.store = workspace.context.store, Store(NOWHERE)
    yield ids
    workspace.context.store = store


def test_a_failing_store_gets_no_work_of_any_batch_until_a_probe_succeeds(
    workspace: Workspace, unreachable_store: list[str]
) -> None:
    store = Store(workspace.context.settings.store)
    with workspace.context.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN - 1):
            breakers.record_failure(tx, breakers.STORE, "no answer")
    with pytest.raises(StoreUnreachable):
        ingest(workspace, unreachable_store[0])
    assert failures(workspace) == {breakers.STORE: breakers.FAILURES_TO_OPEN}
    with pytest.raises(LeaseTaken, match="object storage failed 3 times, next try at"):
        ingest(workspace, unreachable_store[1])
    assert unpublished(workspace) == []
    assert publish_again(workspace) == 0
    assert sweep_sources(workspace.context).failed == []
    explanation = "\n".join(explain(workspace.context, unreachable_store[1])[0].now)
    assert "object storage keeps failing and gets no work for now; it is asked each minute: s3://" in explanation
    end_wait(workspace)
    assert list(probe(workspace.context)) == [breakers.STORE]
    workspace.context.store = store
    end_wait(workspace)
    assert not probe(workspace.context)
    ingest(workspace, unreachable_store[1])
    assert workspace.line(unreachable_store[1]).state == "assigned"


def test_failed_sweeps_count_against_the_store_and_one_bucket_that_answers_closes_the_breaker(
    workspace: Workspace, unreachable_store: list[str]
) -> None:
    del unreachable_store
    for left in range(breakers.FAILURES_TO_OPEN, 0, -1):
        assert (len(sweep_sources(workspace.context).failed), len(failures(workspace))) == (1, int(left == 1))
    assert not sweep_sources(workspace.context).failed


def test_during_a_long_outage_a_probe_asks_each_minute_and_no_run_starts(
    workspace: Workspace, unreachable_store: list[str]
) -> None:
    del unreachable_store
    store = Store(workspace.context.settings.store)
    for _ in range(100):
        open_breaker(workspace, breakers.STORE)
    before = failures(workspace)[breakers.STORE]
    asked = []
    for minutes in (0.9, 0.2):
        advance(workspace, timedelta(minutes=minutes))
        assert probe(workspace.context)
        asked.append(failures(workspace)[breakers.STORE] - before)
    assert asked == [0, 1]
    assert publish_again(workspace) == 0
    workspace.context.store = store
    advance(workspace, timedelta(minutes=1))
    assert not probe(workspace.context)


@pytest.mark.slow
def test_after_a_hundred_failures_a_batch_waits_five_minutes(
    workspace: Workspace, unreachable_store: list[str]
) -> None:
    with pytest.raises(StoreUnreachable):
        ingest(workspace, unreachable_store[0])  # creates the task, which resets the count
    with workspace.context.ledger.transaction() as tx:
        batch = batches.get(tx, unreachable_store[0])
        batch.attempts, batch.not_before = 100, None
    with pytest.raises(StoreUnreachable):
        ingest(workspace, unreachable_store[0])
    with workspace.context.ledger.read_only() as tx:
        until = batches.get(tx, unreachable_store[0]).not_before
        assert until is not None
        assert timedelta(minutes=4) < until - tx.now <= timedelta(minutes=5)


@pytest.mark.parametrize("server", ["default", breakers.STORE])
def test_after_the_wait_one_batch_is_published_as_a_trial_and_the_rest_after_its_success(
    workspace: Workspace, server: str
) -> None:
    first, *rest = waiting(workspace, 5)
    assert send(workspace) == [first, *rest]
    open_breaker(workspace, server)
    assert publish_again(workspace) == 0
    end_wait(workspace)
    assert publish_again(workspace) == 1
    assert (send(workspace), send(workspace)) == ([first], [])
    assert publish_again(workspace) == 0
    ingest(workspace, first)
    assert publish_again(workspace) == len(rest)
    assert send(workspace) == rest


def test_batches_never_published_wait_for_the_trial_too_and_are_published_once(workspace: Workspace) -> None:
    first, *rest = waiting(workspace, 5)
    open_breaker(workspace, "default")
    assert send(workspace) == []
    end_wait(workspace)
    assert (send(workspace), send(workspace)) == ([first], [])
    workspace.sandbox.faults.set([{"on": "* /*", "status": 503}])
    with pytest.raises(CvatBusy):
        ingest(workspace, first)
    workspace.sandbox.faults.clear()
    assert send(workspace) == []
    end_wait(workspace)
    assert send(workspace) == rest[:1]
    ingest(workspace, rest[0])
    assert publish_again(workspace) == 0
    assert send(workspace) == rest[1:]


def test_a_failing_cvat_gets_no_work_until_one_run_succeeds(workspace: Workspace) -> None:
    for i in range(6):
        workspace.put(f"{i}.jpg", picture(i))
        workspace.close_batch()
    workspace.sandbox.faults.set([{"on": "* /*", "status": 503}])
    for i in range(1, breakers.FAILURES_TO_OPEN + 1):
        with pytest.raises(CvatBusy):
            ingest(workspace, f"street-0000{i}")
    with pytest.raises(LeaseTaken, match="CVAT default failed 3 times, next try at"):
        ingest(workspace, "street-00004")
    assert workspace.line("street-00004").error is None
    with workspace.context.ledger.read_only() as tx:
        assert [row.server for row in breakers.failing(tx)] == ["default"]
        assert outbox.unpublished(tx) == []
        assert batches.without_run(tx, quiet=timedelta(0)) == []
    workspace.sandbox.faults.clear()
    with workspace.context.ledger.transaction() as tx:
        breakers.failing(tx)[0].open_until = tx.now
    ingest(workspace, "street-00004")
    with workspace.context.ledger.read_only() as tx:
        assert breakers.failing(tx) == []
    ingest(workspace, "street-00005")


def test_failed_collections_count_against_the_server_and_a_probe_after_the_wait_closes_the_breaker(
    workspace: Workspace,
) -> None:
    workspace.put("1.jpg", picture(1))
    workspace.close_batch()
    ingest(workspace, "street-00001")
    workspace.sandbox.faults.set([{"on": "* /*", "status": 503}])
    for _ in range(breakers.FAILURES_TO_OPEN):
        assert "street-00001" in (collect(workspace.context).failed or {})
    assert not collect(workspace.context).failed
    assert "503" in probe(workspace.context)["default"]
    for back in (False, True):
        if back:
            workspace.sandbox.faults.clear()
        with workspace.context.ledger.transaction() as tx:
            breakers.failing(tx)[0].open_until = tx.now
        assert bool(probe(workspace.context)) is not back
    with workspace.context.ledger.read_only() as tx:
        assert breakers.failing(tx) == []


def test_a_failure_of_one_batch_does_not_count_against_the_server(workspace: Workspace) -> None:
    workspace.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: broken .jpg: 1.jpg 2.jpg 3.jpg 4.jpg"}])
    for i in range(1, 5):
        workspace.put(f"{i}.jpg", picture(i))
        workspace.close_batch()
        with pytest.raises(LabelyardError, match="could not make frames"):
            ingest(workspace, f"street-0000{i}")
    with workspace.context.ledger.read_only() as tx:
        assert breakers.failing(tx) == []
        assert all(batch.error for batch in batches.in_states(tx, [BatchState.CLOSED]))
