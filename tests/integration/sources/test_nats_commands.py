"""Commands with a NATS: notifications, doctor, and watch, which is killed between registering and acknowledging."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import pytest

from labelyard.context import open_context
from labelyard.failpoints import EXIT_STATUS
from labelyard.ledger.tables import Object
from labelyard.operations.doctor.check import Installation, Status
from labelyard.operations.doctor.notifications import checks
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.server_settings import StoreSettings
from labelyard.settings import Settings
from labelyard.sources.queues import QueueDepth, open_queue
from labelyard.sources.watcher import Watcher
from labelyard.watch_settings import NatsSettings, WatchSettings
from tests.support.machine import Machine
from tests.support.nats_server import NatsServer
from tests.support.waiting import eventually

MINIO = {"eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-11-30T10:00:00.000Z"}


def environment(server: NatsServer, **names: str) -> dict[str, str]:
    settings = {f"LABELYARD_WATCH__NATS__{name.upper()}": value for name, value in names.items()}
    return {"LABELYARD_WATCH__QUEUE_URL": server.url, **settings}


def minio_event(bucket: str, key: str, quoted: str) -> str:
    """A message as MinIO publishes it: the record with a name and a key around it."""
    thing = {"key": quoted, "size": 1, "eTag": "9dd4e461268c8034f5c8564e155c67a6", "sequencer": "17A8D2"}
    record = {**MINIO, "eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": thing}}
    return json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [record]})


@pytest.mark.slow
def test_a_notification_of_minio_becomes_one_object_even_if_the_watcher_is_killed_before_it_acknowledges(
    machine: Machine, nats_server: NatsServer
) -> None:
    bucket, names = machine.server.new_bucket(), nats_server.new_stream(ack_wait=1)
    machine.apply(bucket)
    machine.server.store.write(bucket, "in/a b.jpg", b"x")
    nats_server.publish(names["subject"], [minio_event(bucket, "in/a b.jpg", "in/a+b.jpg")])
    machine.environment |= environment(nats_server, **names)
    watch = WatchSettings(queue_url=nats_server.url, nats=NatsSettings.model_validate(names))
    settings = Settings(ledger=machine.ledger_url, store=machine.server.settings, watch=watch)
    queue = open_queue(settings)
    assert queue is not None

    killed = machine.run("watch", LABELYARD_FAILPOINT="register_objects.registered")
    assert killed.returncode == EXIT_STATUS, killed.stderr
    assert [row.key for row in machine.rows(Object)] == ["in/a b.jpg"]
    assert queue.depth() == QueueDepth(waiting=0, in_flight=1)

    with closing(queue), open_context(settings) as context:
        next_one = Watcher(PipelineHandler(context, PrefectEvents(settings)), queue, wait_seconds=1)
        running = threading.Thread(target=next_one.run)
        running.start()
        try:
            eventually(lambda: queue.depth() == QueueDepth(0, 0), "the message to be acknowledged")
        finally:
            next_one.stop()
            running.join(30)
    assert [(row.key, row.registered_via) for row in machine.rows(Object)] == [("in/a b.jpg", "nats")]


def test_notifications_creates_stream_and_consumer_and_shows_what_to_do_in_minio(
    machine: Machine, nats_server: NatsServer
) -> None:
    spec = machine.apply(bucket := machine.server.new_bucket())
    names = {"stream": f"cats-{bucket}", "consumer": "labelyard", "subject": f"minio.{bucket}"}
    machine.environment |= environment(nats_server, **names)

    shown = machine.call("notifications", spec.name)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("create it with") == 2
    assert f"mc event add ALIAS/{bucket} arn:minio:sqs::labelyard:nats --event put,delete --prefix in/" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"next: labelyard notifications {spec.name} --apply"

    applied = machine.call("notifications", spec.name, "--apply", "--json")
    assert applied.exit_code == 0, applied.output
    assert [step["subject"] for step in json.loads(applied.stdout)["steps"]] == ["stream", "consumer"]
    again = machine.call("notifications", spec.name, "--json")
    assert [step["action"] for step in json.loads(again.stdout)["steps"]] == ["fine", "fine"]

    found: dict[str, Any] = nats_server.call(lambda js: _configs(js, names))
    assert found["retention"] == "workqueue"
    assert (found["ack_wait"], found["max_deliver"], found["max_ack_pending"]) == (60.0, -1, 10_000)
    nats_server.publish(names["subject"], ["a"])
    watch = WatchSettings(queue_url=nats_server.url, nats=NatsSettings.model_validate(names))
    unread = StoreSettings(block="street-bucket")  # a block of Prefect, which is only needed for the store
    installation = Installation(Settings(watch=watch, store=unread), (spec,))
    results = [result for check in checks(installation).values() for result in check(installation)]
    assert [result.status for result in results] == [Status.OK, Status.UNKNOWN]
    assert results[0].message == f"{nats_server.url}: 1 messages wait"
    assert f"`labelyard notifications {spec.name}`" in results[1].message


async def _configs(js: Any, names: dict[str, str]) -> dict[str, Any]:
    stream = await js.stream_info(names["stream"])
    consumer = await js.consumer_info(names["stream"], names["consumer"])
    return {**vars(stream.config), **{name: value for name, value in vars(consumer.config).items() if value}}


def test_notifications_corrects_a_consumer_that_would_lose_messages_and_refuses_another_subject(
    machine: Machine, nats_server: NatsServer
) -> None:
    spec, names = machine.apply(machine.server.new_bucket()), nats_server.new_stream(ack_wait=5)
    machine.environment |= environment(nats_server, **names)
    applied = machine.call("notifications", spec.name, "--apply", "--json")
    assert json.loads(applied.stdout)["steps"][1]["action"] == "set ack_wait=60s"
    found = nats_server.call(lambda js: _configs(js, names))
    assert (found["ack_wait"], found["filter_subject"]) == (60.0, names["subject"])
    machine.environment["LABELYARD_WATCH__NATS__SUBJECT"] = "other"
    denied = machine.call("notifications", spec.name, "--apply")
    assert "LABELYARD_WATCH__NATS__SUBJECT" in str(denied.exception)
