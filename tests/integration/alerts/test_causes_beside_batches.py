"""Servers, sources and queues that need a person: from when on, and how that ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.causes import Kind
from labelyard.ledger import batches, breakers, outages, problems
from labelyard.operations.manual import retire
from labelyard.operations.probe_servers import probe
from labelyard.operations.send_alerts import send_if_silent
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.watch_settings import WatchSettings
from tests.support.alerting import Channels, look_and_send
from tests.support.emulator import StoreServer
from tests.support.ledger_samples import Clock, apply, closed_batch, dataset_spec
from tests.support.prefect_redis import PrefectRedis


def unavailable_servers(context: Context) -> list[str]:
    with context.ledger.read_only() as tx:
        return [row.server for row in outages.unended(tx)]


@pytest.mark.parametrize("end", ["another source", "retired"])
def test_a_source_is_a_problem_until_it_is_read_or_no_longer_declared_however_rarely_it_is_swept(
    context: Context, channels: Channels, clock: Clock, end: str
) -> None:
    file = dataset_spec().model_dump(mode="json") | {"schedule": {"sweep": "30d"}}
    missing = file | {"sources": [{"bucket": "no-such-bucket", "prefix": "street/"}]}
    apply(context.ledger, DatasetSpec.model_validate(missing))
    assert sweep_sources(context, "street").needs_person
    assert look_and_send(context, channels) == [("lead", "street: source unreadable")]
    clock.advance(hours=23)
    assert look_and_send(context, channels) == [], "no sweep has read it meanwhile"
    if end == "retired":
        retire(context, "street")
    else:
        apply(context.ledger, DatasetSpec.model_validate(file))
    look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: street: source unreadable")]


def test_a_server_that_is_away_for_long_is_one_cause_and_its_batches_are_none(
    context: Context, channels: Channels, clock: Clock
) -> None:
    apply(context.ledger, dataset_spec())
    batch = closed_batch(context.ledger, dataset_spec())
    with context.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "503")
            batches.postpone(tx, batches.get(tx, batch.id), "503", "", timedelta(0))
        batches.get(tx, batch.id).attempts = 20
    assert look_and_send(context, channels) == []
    clock.advance(minutes=15)
    assert look_and_send(context, channels) == [("lead", "server unavailable")]
    with context.ledger.transaction() as tx:
        breakers.record_success(tx, "default")
        batches.get(tx, batch.id).error = None
    look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: server unavailable")]


def test_the_outage_of_a_queue_ends_when_nobody_meets_it_any_more(
    context: Context, channels: Channels, clock: Clock
) -> None:
    watcher = PipelineHandler(context, PrefectEvents(context.settings))
    watcher.record_queue("no answer")
    clock.advance(minutes=14)
    watcher.record_queue("no answer")
    clock.advance(minutes=14)
    assert look_and_send(context, channels) == [("lead", "server unavailable")], "the watcher meets it again and again"
    clock.advance(minutes=2)
    look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: server unavailable")]


def test_the_outage_of_a_cvat_lasts_while_nothing_probes_it_and_ends_when_nothing_names_it(
    context: Context, channels: Channels, clock: Clock
) -> None:
    apply(context.ledger, dataset_spec())
    with context.ledger.transaction() as tx:
        for server in ("default", "removed") * breakers.FAILURES_TO_OPEN:
            breakers.record_failure(tx, server, "503")
    clock.advance(minutes=20)
    look_and_send(context, channels)
    assert unavailable_servers(context) == ["default", "removed"]
    assert list(probe(context)) == unavailable_servers(context) == ["default"], "the dataset's CVAT"


def test_a_dataset_that_expects_objects_each_day_and_gets_none_is_a_cause_unless_it_is_paused(
    context: Context, channels: Channels, clock: Clock
) -> None:
    spec = dataset_spec().model_validate(dataset_spec().model_dump(mode="json") | {"expect": "every 1d"})
    apply(context.ledger, spec)
    assert look_and_send(context, channels) == []
    clock.advance(days=1, minutes=1)
    assert look_and_send(context, channels) == [("lead", "street: nothing arrived")]
    closed_batch(context.ledger, spec)
    look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: street: nothing arrived")]


def test_without_housekeeping_the_watcher_sends_and_says_so_once(
    context: Context, channels: Channels, clock: Clock
) -> None:
    started = clock.now
    look_and_send(context, channels)
    clock.advance(minutes=14)
    assert send_if_silent(context, channels.send, started) == 0
    clock.advance(minutes=1)
    for _ in range(3):
        send_if_silent(context, channels.send, started)
        clock.advance(minutes=1)
    assert channels.new() == [("lead", "no housekeeping")]
    look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: no housekeeping")]


def test_a_queue_that_does_not_become_shorter_for_an_hour_is_a_cause(
    context: Context, channels: Channels, clock: Clock, store_server: StoreServer
) -> None:
    url = store_server.new_queue()
    context.settings = context.settings.model_copy(
        update={
            "store": store_server.settings,
            "watch": WatchSettings(queue_url=url, sqs_endpoint_url=store_server.url),
        }
    )
    sqs = store_server.boto("sqs")
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    for _ in range(6):
        assert look_and_send(context, channels) == []
        clock.advance(minutes=10)
    assert look_and_send(context, channels) == [("lead", "queue growing")]
    sqs.purge_queue(QueueUrl=url)
    look_and_send(context, channels)
    with context.ledger.read_only() as tx:
        assert problems.present(tx, Kind.QUEUE) == []


def test_many_events_that_wait_for_prefects_services_for_a_quarter_of_an_hour_are_a_cause(
    context: Context, channels: Channels, clock: Clock, prefect_redis: PrefectRedis
) -> None:
    context.settings = context.settings.model_copy(update={"prefect_redis_url": SecretStr(prefect_redis.url)})
    prefect_redis.add_consumer("event-persister")
    prefect_redis.add_events(1001)
    for _ in range(3):
        assert look_and_send(context, channels) == []
        clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "events waiting")]
    prefect_redis.read("event-persister", 1, acknowledge=True)
    for _ in range(2):  # each asks Redis last
        look_and_send(context, channels)
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: events waiting")]
