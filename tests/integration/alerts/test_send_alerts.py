"""Alerts from the ledger to a channel: each message once, reminders, nights, the end, and channels that fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy import update as sql_update

from labelyard.alert_settings import AlertSettings, ChannelSettings
from labelyard.context import Context
from labelyard.domain.alerts import Message
from labelyard.domain.causes import Cause, Kind
from labelyard.ledger import Ledger, Transaction, alerts, batches, dead_letters
from labelyard.ledger.alert_tables import Alert
from labelyard.ledger.tables import Object
from labelyard.operations.figures import read_figures
from labelyard.operations.send_alerts import send_alerts
from labelyard.orchestration.alert_channels import send
from labelyard.settings import Settings
from tests.support.alerting import SECRET, Channels, fail_batch, look_and_send, retry_batch, with_channels
from tests.support.ledger_samples import Clock


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


def test_nothing_of_an_address_is_in_the_ledger(context: Context, clock: Clock, tmp_path: Path) -> None:
    secret = ChannelSettings(url=SecretStr(f"json://127.0.0.1:9/{SECRET}"))
    context.settings = Settings(alerts=AlertSettings(channels={"lead": secret}))
    fail_batch(context)
    assert send_alerts(context, send) == 0
    with context.ledger.read_only() as tx:
        rows = [*alerts.all_alerts(tx), alerts.channels(tx)["lead"]]
    assert len(rows) == 2
    assert SECRET not in " ".join(str(vars(row)) for row in rows)


def test_a_result_is_recorded_of_no_other_alert_that_got_the_same_id(context: Context) -> None:
    update(context, Kind.DEAD_LETTERS)
    due = acquire(context)
    assert due is not None
    with context.ledger.transaction() as tx:
        [row] = alerts.all_alerts(tx)
        tx.delete(row)
        tx.flush()
        update_in(tx, Kind.SERVER)
        tx.execute(sql_update(Alert).values(id=due.alert, kind="of a newer labelyard"))
        alerts.record_sent(tx, due)
    found = acquire(context)
    assert found is not None
    assert found.message.title == "labelyard: of a newer labelyard"


def test_the_labelyard_before_can_read_an_alert_about_a_person_who_is_not_reached(context: Context) -> None:
    update(context, Kind.NOT_REACHED)
    with context.ledger.read_only() as tx:
        assert [row.kind for row in alerts.all_alerts(tx)] == [Kind.WARNING]


def update(context: Context, kind: Kind) -> None:
    with context.ledger.transaction() as tx:
        update_in(tx, kind)


def update_in(tx: Transaction, kind: Kind) -> None:
    alerts.update(tx, [Cause(kind, kind, None, "away", "labelyard doctor", tx.now)], ["lead"])


def acquire(context: Context) -> alerts.DueMessage | None:
    with context.ledger.transaction() as tx:
        return alerts.acquire_due(tx, {"lead": False}, timedelta(hours=24))
