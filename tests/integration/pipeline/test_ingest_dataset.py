"""Ingesting a dataset at a time of its own, and backfills that wait for what arrives now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest
from pydantic import SecretStr

from labelyard.domain.states import BatchState
from labelyard.errors import NotFound, StoreUnreachable
from labelyard.ledger import batches, breakers, datasets
from labelyard.ledger.tables import DatasetVersion
from labelyard.operations import manual
from labelyard.operations.backfill import Selection, backfill
from labelyard.pipeline.publish_events import EventToPublish, publish_events
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.sweep import ingest_dataset
from labelyard.server_settings import StoreSettings
from labelyard.storage.store import Store
from tests.support.workspace import Workspace, ingest

NOWHERE = StoreSettings(
    endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
)


class Published:
    """Prefect's events, as a list of batches."""

    def __init__(self) -> None:
        self.batches: list[str] = []

    def publish(self, events: Sequence[EventToPublish]) -> None:
        self.batches += [event.batch for event in events]

    def batches_with_queued_run(self) -> Collection[str]:
        return ()


def test_what_has_arrived_is_closed_and_sent_though_no_rule_of_the_batch_is_met(workspace: Workspace) -> None:
    workspace.apply(batch={"quiet": None, "max_age": None}, schedule={"ingest": "1d"})
    workspace.put("1.jpg")
    workspace.put("2.jpg")
    prefect = Published()
    ingested = ingest_dataset(workspace.context, prefect, "street")
    assert (ingested.new, ingested.batches, prefect.batches) == (2, {"street-00001": 2}, ["street-00001"])
    with workspace.context.ledger.read_only() as tx:
        assert batches.get(tx, "street-00001").close_reason == "closed by a run of ingest-dataset"
    again = ingest_dataset(workspace.context, prefect, "street")
    assert (again.new, again.batches, prefect.batches) == (0, {}, ["street-00001"])


def test_a_paused_dataset_closes_its_batches_and_sends_them_later(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    manual.pause(workspace.context, "street", "")
    prefect = Published()
    ingested = ingest_dataset(workspace.context, prefect, "street")
    assert (ingested.is_paused, list(ingested.batches), prefect.batches) == (True, ["street-00001"], [])
    manual.resume(workspace.context, "street")
    publish_events(workspace.context, prefect)
    assert prefect.batches == ["street-00001"]


@pytest.mark.usefixtures("fast_retries")
def test_while_the_store_is_away_nothing_is_closed_and_the_next_attempt_sends_all(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    sweep_sources(workspace.context)
    workspace.put("2.jpg")
    prefect, store = Published(), workspace.context.store
    workspace.context.store = Store(NOWHERE)
    for _ in range(breakers.FAILURES_TO_OPEN):
        with pytest.raises(StoreUnreachable):
            ingest_dataset(workspace.context, prefect, "street")
    workspace.context.store = store
    with pytest.raises(StoreUnreachable, match="is not listed while object storage is unavailable") as not_listed:
        ingest_dataset(workspace.context, prefect, "street")
    assert (not_listed.value.retry, workspace.line().state, prefect.batches) == (True, BatchState.OPEN, [])
    with workspace.context.ledger.transaction() as tx:
        breakers.record_success(tx, breakers.STORE)
    assert ingest_dataset(workspace.context, prefect, "street").batches == {"street-00001": 2}


def test_a_source_that_a_person_must_make_readable_is_named_once_and_the_others_are_sent(workspace: Workspace) -> None:
    sources = [{"bucket": workspace.bucket, "prefix": "in/"}, {"bucket": "no-such-bucket", "prefix": "in/"}]
    workspace.apply(sources=sources)
    workspace.put("1.jpg")
    first = ingest_dataset(workspace.context, Published(), "street")
    assert first.batches == {"street-00001": 1}
    assert "no-such-bucket" in first.needs_person[0]
    again = ingest_dataset(workspace.context, Published(), "street")
    assert (again.needs_person, len(again.failed)) == ([], 1)


def test_an_unknown_dataset_is_named_and_a_retired_one_has_nothing_to_ingest(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="zoo"):
        ingest_dataset(workspace.context, Published(), "zoo")
    workspace.put("1.jpg")
    manual.retire(workspace.context, "street")
    assert ingest_dataset(workspace.context, Published(), "street").new == 0


def test_a_dataset_with_a_sweep_of_its_own_is_left_out_of_the_others(workspace: Workspace) -> None:
    workspace.apply(schedule={"sweep": "1h"})
    workspace.put("1.jpg")
    assert "street" not in sweep_sources(workspace.context).registered
    assert sweep_sources(workspace.context, "street").registered["street"].new == 1


def backfilled(workspace: Workspace, *keys: str) -> list[str]:
    """Backfill files, each in a batch of its own, and return the new batches."""
    workspace.apply(batch={"max_objects": 1})
    for key in keys:
        workspace.put(key)
    with workspace.context.ledger.read_only() as tx:
        before = {batch.id for batch in batches.in_states(tx, (BatchState.CLOSED,))}
    list(backfill(workspace.context, "street"))
    with workspace.context.ledger.read_only() as tx:
        closed = [batch for batch in batches.in_states(tx, (BatchState.CLOSED,)) if batch.id not in before]
        assert all(batch.backfill for batch in closed)
        return [batch.id for batch in closed]


def test_backfilled_batches_are_sent_two_at_a_time_and_only_while_no_other_one_waits(workspace: Workspace) -> None:
    history = backfilled(workspace, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    prefect = Published()
    publish_events(workspace.context, prefect)
    assert prefect.batches == history[:2]
    workspace.put("now.jpg")
    sweep_sources(workspace.context)
    ingest(workspace, history[0])
    publish_events(workspace.context, prefect)
    assert prefect.batches == [*history[:2], "street-00005"], "what arrived now waits for its run: no history before it"
    ingest(workspace, "street-00005")
    publish_events(workspace.context, prefect)
    assert prefect.batches == [*history[:2], "street-00005", history[2]]


def test_backfilled_batches_that_fail_again_and_again_do_not_hold_up_the_others(workspace: Workspace) -> None:
    history = backfilled(workspace, "1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg")
    prefect = Published()
    publish_events(workspace.context, prefect)
    with workspace.context.ledger.transaction() as tx:
        for stuck in history[:2]:
            batches.postpone(tx, batches.get(tx, stuck), "no such label", "labelyard doctor", timedelta(minutes=5))
    publish_events(workspace.context, prefect)
    assert prefect.batches == history[:4]
    with workspace.context.ledger.transaction() as tx:
        batches.wait_for_server(tx, batches.get(tx, history[2]), timedelta(minutes=1))
    publish_events(workspace.context, prefect)
    assert prefect.batches == history[:4], "one whose files CVAT still reads is at work"


def test_a_paused_dataset_does_not_hold_up_the_backfill_of_another(workspace: Workspace) -> None:
    backfilled(workspace, "1.jpg", "2.jpg", "3.jpg")
    prefect = Published()
    publish_events(workspace.context, prefect)
    manual.pause(workspace.context, "street", "")
    other = workspace.spec.model_dump(mode="json") | {
        "name": "lane", "sources": [{"bucket": workspace.bucket, "prefix": "lane/"}],
    }  # fmt: skip
    with workspace.context.ledger.transaction() as tx:
        datasets.apply(tx, type(workspace.spec).model_validate(other))
    workspace.s3.put_object(Bucket=workspace.bucket, Key="lane/1.jpg", Body=b"x")
    list(backfill(workspace.context, "lane"))
    publish_events(workspace.context, prefect)
    assert prefect.batches[2:] == ["lane-00001"]


def test_files_that_are_much_older_than_the_dataset_are_history_for_the_sweep_too(workspace: Workspace) -> None:
    workspace.put("old.jpg")
    with workspace.context.ledger.transaction() as tx:
        tx.get_one(DatasetVersion, ("street", 1)).applied_at += timedelta(hours=2)
    sweep_sources(workspace.context)
    with workspace.context.ledger.read_only() as tx:
        assert batches.get(tx, "street-00001").backfill


def test_a_marker_closes_the_open_batches_of_both_history_and_now(workspace: Workspace) -> None:
    workspace.apply(batch={"marker": "_SUCCESS"})
    workspace.put("1.jpg")
    list(backfill(workspace.context, "street"))
    workspace.put("2.jpg")
    workspace.put("_SUCCESS", b"1")
    sweep_sources(workspace.context)
    with workspace.context.ledger.read_only() as tx:
        assert [(one.id, one.backfill, one.state.value) for one in batches.in_states(tx, (BatchState.CLOSED,))] == [
            ("street-00001", True, "closed"),
            ("street-00002", False, "closed"),
        ]


def test_a_backfill_of_a_prefix_or_a_time_registers_only_that(workspace: Workspace) -> None:
    for key in ("mon/1.jpg", "tue/2.jpg"):
        workspace.put(key)
    assert sum(page.new for page in backfill(workspace.context, "street", Selection("in/mon/"))) == 1
    listed = next(workspace.context.store.list(workspace.bucket, "in/tue/"))
    assert listed.modified is not None
    later = Selection(since=listed.modified + timedelta(seconds=1))
    earlier = Selection(until=listed.modified + timedelta(seconds=1))
    with pytest.raises(Exception, match="contains nothing of that time"):
        next(backfill(workspace.context, "street", later))
    assert sum(page.new for page in backfill(workspace.context, "street", earlier)) == 1
    with pytest.raises(Exception, match="'elsewhere/' is in no source of street"):
        next(backfill(workspace.context, "street", Selection("elsewhere/")))
