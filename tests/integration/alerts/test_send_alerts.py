"""Alerts from the ledger to a channel: each message once, reminders, nights, the end, and channels that fail."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from labelyard.alert_settings import AlertSettings, ChannelSettings
from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.alerts import Message
from labelyard.domain.causes import Kind
from labelyard.errors import AlertNotSent
from labelyard.ledger import Ledger, alerts, batches, breakers, dead_letters, outages, problems
from labelyard.ledger.tables import Object
from labelyard.operations.figures import read_figures
from labelyard.operations.manual import retire
from labelyard.operations.probe_servers import probe
from labelyard.operations.send_alerts import HOUSEKEEPING, send_alerts, send_if_silent
from labelyard.orchestration.alert_channels import send
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.settings import Settings, WatchSettings
from labelyard.storage import Store
from tests.support.emulator import StoreServer
from tests.support.ledger_samples import Clock, apply, closed_batch, dataset_spec

SECRET = "T0PS3CRET"


@dataclass
class Channels:
    """Channels that accept what they get, but for those that are down."""

    got: list[tuple[str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def send(self, channel: ChannelSettings, message: Message) -> None:
        assert channel.url is not None
        name = channel.url.get_secret_value().removeprefix("json://")
        if name in self.down:
            raise AlertNotSent("503")
        self.got.append((name, message.title.removeprefix("labelyard: ")))

    def new(self) -> list[tuple[str, str]]:
        """What came since the last call."""
        got, self.got = self.got, []
        return got


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channels() -> Channels:
    return Channels()


@pytest.fixture
def context(ledger_url: str, clock: Clock, store_server: StoreServer, tmp_path: Path) -> Iterator[Context]:
    ledger = Ledger(ledger_url, clock=clock)
    yield Context(with_channels("lead"), ledger, Store(store_server.settings))
    ledger.close()


def with_channels(*names: str, at_night: str = "", **changes: object) -> Settings:
    found = {name: ChannelSettings(url=SecretStr(f"json://{name}"), at_night=name == at_night) for name in names}
    return Settings(alerts=AlertSettings.model_validate({"channels": found, **changes}))


def fail_batch(context: Context) -> None:
    apply(context.ledger, dataset_spec())
    closed_batch(context.ledger, dataset_spec())
    with context.ledger.transaction() as tx:
        batches.fail(tx, batches.get(tx, "street-00001"), "its labels are wrong", "labelyard retry street-00001")


def retry_batch(context: Context) -> None:
    with context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001"))


def look_and_send(context: Context, channels: Channels) -> list[tuple[str, str]]:
    """Look as housekeeping does, and return what came."""
    send_alerts(context, channels.send, HOUSEKEEPING)
    return channels.new()


def test_a_cause_gets_one_message_then_reminders_and_one_when_it_is_over(
    context: Context, channels: Channels, clock: Clock
) -> None:
    fail_batch(context)
    assert look_and_send(context, channels) == [("lead", "street: failed")]
    clock.advance(hours=23)
    assert look_and_send(context, channels) == []
    clock.advance(hours=1)
    assert look_and_send(context, channels) == [("lead", "still: street: failed")]
    retry_batch(context)
    assert look_and_send(context, channels) == []
    clock.advance(minutes=5)
    assert look_and_send(context, channels) == [("lead", "over: street: failed")]
    clock.advance(minutes=50)
    assert look_and_send(context, channels) == []


def test_a_cause_that_comes_and_goes_gets_no_message_each_time(
    context: Context, channels: Channels, clock: Clock
) -> None:
    with context.ledger.transaction() as tx:
        dead_letters.put(tx, b"?", "sqs", "no JSON")
    assert look_and_send(context, channels) == [("lead", "dead letters")]
    for number in (1, 2):
        with context.ledger.transaction() as tx:
            dead_letters.discard(tx, number)
        assert look_and_send(context, channels) == []
        clock.advance(minutes=4)
        with context.ledger.transaction() as tx:
            dead_letters.put(tx, b"?", "sqs", "no JSON")
        assert look_and_send(context, channels) == []


def test_at_night_only_a_channel_that_asks_for_it_gets_messages_and_the_others_in_the_morning(
    context: Context, channels: Channels, clock: Clock
) -> None:
    context.settings = with_channels(
        "lead", "guard", at_night="guard", quiet_hours="20:00-07:00", timezone="Europe/Berlin"
    )
    clock.advance(hours=9)  # 22:00 in Berlin
    with context.ledger.transaction() as tx:
        dead_letters.put(tx, b"?", "sqs", "no JSON")
    assert look_and_send(context, channels) == [("guard", "dead letters")]
    with context.ledger.transaction() as tx:
        dead_letters.discard(tx, 1)
    look_and_send(context, channels)
    clock.advance(minutes=6)
    assert look_and_send(context, channels) == [("guard", "over: dead letters")]
    fail_batch(context)
    assert look_and_send(context, channels) == [("guard", "street: failed")]
    clock.advance(hours=8, minutes=53)
    assert look_and_send(context, channels) == []
    clock.advance(minutes=2)
    assert look_and_send(context, channels) == [("lead", "street: failed")], "what was over by morning is not mentioned"


def test_messages_are_about_the_causes_of_the_page_without_those_that_are_only_to_know(
    context: Context, channels: Channels, clock: Clock
) -> None:
    fail_batch(context)
    clock.advance(hours=1)
    with context.ledger.transaction() as tx:
        closed = batches.get_or_open(tx, "street")
        batches.close(tx, closed, "closed by a test")
        obj = tx.scalars(select(Object)).first()
        assert obj is not None
        obj.quarantine_reason = "no image"
    clock.advance(hours=2)
    seen = read_figures(context.ledger).causes
    assert [cause.kind for cause in seen] == [Kind.FAILED, Kind.LATE, Kind.QUARANTINED]
    assert look_and_send(context, channels) == [("lead", "street: failed"), ("lead", "street: late")]
    with context.ledger.read_only() as tx:
        rows = alerts.all_alerts(tx)
    assert [(row.key, row.what) for row in rows] == [(cause.key, cause.what) for cause in seen[:2]]


def test_of_many_processes_at_once_one_sends(context: Context, ledger_url: str, clock: Clock) -> None:
    fail_batch(context)
    channels = Channels()

    def look_elsewhere(_: int) -> int:
        with closing(Ledger(ledger_url, clock=clock)) as ledger:
            return send_alerts(Context(context.settings, ledger, context.store), channels.send)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look_elsewhere, range(8))) == 1
    assert channels.new() == [("lead", "street: failed")]


def test_a_message_whose_sender_died_is_sent_by_another_look(
    context: Context, channels: Channels, clock: Clock
) -> None:
    fail_batch(context)

    def die(_channel: ChannelSettings, _message: Message) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_alerts(context, die)
    assert look_and_send(context, channels) == []
    clock.advance(minutes=3)
    assert look_and_send(context, channels) == [("lead", "street: failed")]


def test_a_channel_that_fails_keeps_no_other_from_its_messages_and_gets_them_later(
    context: Context, channels: Channels, clock: Clock
) -> None:
    context.settings = with_channels("lead", "chat")
    channels.down = {"chat"}
    fail_batch(context)
    assert look_and_send(context, channels) == [("lead", "street: failed")]
    with context.ledger.read_only() as tx:
        row = alerts.channels(tx)["chat"]
    assert (row.failures, row.error) == (1, "503")
    channels.down = set()
    assert look_and_send(context, channels) == [], "it waits a minute after a failure"
    clock.advance(minutes=1)
    assert look_and_send(context, channels) == [("chat", "street: failed")]
    with context.ledger.read_only() as tx:
        assert alerts.channels(tx)["chat"].error is None


def test_a_channel_that_is_removed_and_one_that_is_added_need_no_command(context: Context, channels: Channels) -> None:
    fail_batch(context)
    look_and_send(context, channels)
    context.settings = with_channels("chat")
    assert look_and_send(context, channels) == [("chat", "street: failed")]


def test_a_machine_with_other_settings_does_not_make_messages_come_again(
    context: Context, channels: Channels, clock: Clock
) -> None:
    fail_batch(context)
    assert look_and_send(context, channels) == [("lead", "street: failed")]
    same = context.settings
    for settings in (with_channels(), with_channels("chat"), same):
        context.settings = settings
        clock.advance(minutes=1)
        assert ("lead", "street: failed") not in look_and_send(context, channels)


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


def test_nothing_of_an_address_is_in_the_ledger(context: Context, clock: Clock, tmp_path: Path) -> None:
    secret = ChannelSettings(url=SecretStr(f"json://127.0.0.1:9/{SECRET}"))
    context.settings = Settings(alerts=AlertSettings(channels={"lead": secret}))
    fail_batch(context)
    assert send_alerts(context, send) == 0
    with context.ledger.read_only() as tx:
        rows = [*alerts.all_alerts(tx), alerts.channels(tx)["lead"]]
    assert len(rows) == 2
    assert SECRET not in " ".join(str(vars(row)) for row in rows)
