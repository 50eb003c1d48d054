"""The watcher on a real queue; its handler records the calls."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from labelyard.errors import LedgerUnreachable, PrefectUnreachable, StoreError
from labelyard.sources import watcher
from labelyard.sources.backoff import Backoff
from labelyard.sources.queues import QueueDepth
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.sources.watcher import Watcher
from tests.support.emulator import StoreServer
from tests.support.notification_recorder import NotificationRecorder
from tests.support.waiting import eventually


class NotifyingBucket:
    """A bucket that notifies a queue, as a dataset's source does."""

    def __init__(self, server: StoreServer, visibility: int = 30) -> None:
        self.server = server
        self.bucket = server.new_bucket()
        url = server.new_queue(VisibilityTimeout=str(visibility))
        server.notify(self.bucket, url)
        self.queue = SqsQueue(url, server.settings, server.url)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.server.store.write(self.bucket, key, b"x")

    def send(self, body: str) -> None:
        self.server.boto("sqs").send_message(QueueUrl=self.queue.url, MessageBody=body)

    def fill(self, *keys: str) -> None:
        """Send messages about objects as the bucket would, in few requests."""
        for n in range(0, len(keys), 10):
            entries = [{"Id": str(i), "MessageBody": json.dumps({"Records": [{
                "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}},
            }]})} for i, key in enumerate(keys[n : n + 10])]  # fmt: skip
            self.server.boto("sqs").send_message_batch(QueueUrl=self.queue.url, Entries=entries)

    def is_empty(self) -> bool:
        return self.queue.depth() == QueueDepth(0, 0)

    @contextmanager
    def watched(self, handler: NotificationRecorder) -> Iterator[Watcher]:
        loop = Watcher(handler, self.queue, wait_seconds=1)
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            yield loop
        finally:
            handler.may_register.set()
            loop.stop()
            running.join(30)
            assert not running.is_alive()


@pytest.fixture
def bucket(store_server: StoreServer) -> NotifyingBucket:
    return NotifyingBucket(store_server)


@pytest.fixture
def impatient_bucket(store_server: StoreServer) -> NotifyingBucket:
    """A bucket whose queue redelivers unacknowledged messages after a second."""
    return NotifyingBucket(store_server, visibility=1)


def test_objects_written_to_the_bucket_are_registered_and_their_messages_acknowledged(bucket: NotifyingBucket) -> None:
    handler, keys = NotificationRecorder(), [f"dir/{n} +%.jpg" for n in range(25)]
    with bucket.watched(handler):
        bucket.put(*keys)
        eventually(lambda: sorted(handler.registered) == sorted(keys))
        eventually(bucket.is_empty)
    assert handler.via == {"sqs"}
    assert handler.dead_letters == []


MANY = [f"{n:04d}.jpg" for n in range(900)]


def test_many_waiting_messages_are_registered_in_bursts(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    bucket.fill(*MANY)
    with bucket.watched(handler):
        eventually(lambda: sorted(handler.registered) == MANY)
        eventually(bucket.is_empty)
    assert 200 < max(handler.call_sizes) <= 400
    assert len(handler.call_sizes) < 20


def test_a_burst_that_cannot_be_registered_is_redelivered_and_nothing_is_lost(store_server: StoreServer) -> None:
    bucket, handler = NotifyingBucket(store_server, visibility=5), NotificationRecorder()
    handler.fail("register", LedgerUnreachable("away"), times=3)
    bucket.fill(*MANY)
    with bucket.watched(handler):
        eventually(lambda: set(handler.registered) == set(MANY), seconds=60)
        eventually(bucket.is_empty)
    assert handler.dead_letters == []


def test_one_failing_message_blocks_no_other_of_its_burst(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.failing_keys = {MANY[77]: StoreError("AccessDenied")}
    bucket.fill(*MANY[:200])
    with bucket.watched(handler):
        eventually(lambda: sorted(handler.registered) == sorted({*MANY[:200]} - {MANY[77]}))
        eventually(lambda: bucket.queue.depth() == QueueDepth(0, 1))


def test_received_bursts_are_registered_before_the_watcher_stops(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.may_register.clear()
    bucket.fill(*MANY)
    with bucket.watched(handler) as loop:
        eventually(lambda: bucket.queue.depth().in_flight > 400)
        loop.stop()
        assert handler.registered == []
    assert 0 < len(handler.registered) <= 800  # on a busy machine the time may end before the second burst
    eventually(lambda: bucket.queue.depth() == QueueDepth(len(MANY) - len(handler.registered), 0))


def test_objects_deleted_in_the_bucket_are_marked_as_deleted(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    with bucket.watched(handler):
        bucket.put("a b+c.jpg")
        eventually(lambda: handler.registered == ["a b+c.jpg"])
        bucket.server.delete(bucket.bucket, "a b+c.jpg")
        eventually(lambda: handler.deleted == ["a b+c.jpg"])
        eventually(bucket.is_empty)


def test_the_message_of_a_deletion_that_cannot_be_stored_stays_in_the_queue(impatient_bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.fail("mark_deleted", LedgerUnreachable("away"), times=2)
    with impatient_bucket.watched(handler):
        impatient_bucket.put("a.jpg")
        eventually(lambda: "a.jpg" in handler.registered)
        impatient_bucket.server.delete(impatient_bucket.bucket, "a.jpg")
        eventually(lambda: "a.jpg" in handler.deleted)
        eventually(impatient_bucket.is_empty)


def test_nothing_is_acknowledged_before_it_is_committed(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.may_register.clear()
    bucket.put("a.jpg")
    with bucket.watched(handler):
        eventually(lambda: bucket.queue.depth().in_flight >= 1)
        assert handler.registered == []
        assert not bucket.is_empty()
        handler.may_register.set()
        eventually(bucket.is_empty)
    assert handler.registered == ["a.jpg"]


def test_while_the_ledger_is_unreachable_messages_stay_and_it_is_logged_once(
    impatient_bucket: NotifyingBucket, caplog: pytest.LogCaptureFixture
) -> None:
    handler = NotificationRecorder()
    handler.fail("register", LedgerUnreachable("the ledger does not answer"), times=3)
    with caplog.at_level(logging.INFO, "labelyard.sources"):
        impatient_bucket.put("a.jpg", "b.jpg")
        with impatient_bucket.watched(handler) as loop:
            eventually(lambda: loop.health()["problems"])
            eventually(lambda: set(handler.registered) == {"a.jpg", "b.jpg"})
            eventually(impatient_bucket.is_empty)
            eventually(lambda: not loop.health()["problems"])
    assert (handler.dead_letters, handler.queue_problems) == ([], [None]), "the queue has answered"
    assert [r.message for r in caplog.records if "does not answer" in r.message] == [
        "receiving notifications: the ledger does not answer"
    ]
    assert len([r for r in caplog.records if "works again" in r.message]) == 1


def test_a_message_that_cannot_be_parsed_becomes_a_dead_letter_and_leaves_the_queue(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    with bucket.watched(handler):
        bucket.send("hello")
        bucket.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}))
        bucket.put("a.jpg")
        eventually(lambda: len(handler.dead_letters) == 2 and handler.registered == ["a.jpg"])
        eventually(bucket.is_empty)
    assert {(body, via) for body, via, _ in handler.dead_letters} == {
        (b"hello", "sqs"),
        (b'{"eventName": "ObjectCreated:Put"}', "sqs"),
    }


def test_the_message_of_a_dead_letter_that_cannot_be_stored_stays_in_the_queue(
    impatient_bucket: NotifyingBucket,
) -> None:
    handler = NotificationRecorder()
    handler.fail("dead_letter", LedgerUnreachable("away"), times=2)
    with impatient_bucket.watched(handler):
        impatient_bucket.send("hello")
        eventually(lambda: handler.dead_letters)
        eventually(impatient_bucket.is_empty)


def test_a_message_that_cannot_be_registered_blocks_no_other_and_becomes_a_dead_letter(
    store_server: StoreServer,
) -> None:
    bucket, handler = NotifyingBucket(store_server, visibility=0), NotificationRecorder()
    handler.failing_keys = {"bad.jpg": StoreError("AccessDenied")}
    bucket.put("a.jpg", "bad.jpg", "b.jpg")
    with bucket.watched(handler):
        eventually(lambda: {"a.jpg", "b.jpg"} <= set(handler.registered))
        eventually(lambda: handler.dead_letters, seconds=60)
        eventually(bucket.is_empty)
    assert "bad.jpg" not in handler.registered
    ((body, _, reason),) = handler.dead_letters
    assert b"bad.jpg" in body
    assert "AccessDenied" in reason


def test_an_unexpected_exception_does_not_end_the_watcher(impatient_bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.fail("register", ZeroDivisionError(), times=2)
    handler.fail("close_due_batches", ZeroDivisionError(), times=1)
    with impatient_bucket.watched(handler):
        impatient_bucket.put("a.jpg")
        eventually(lambda: handler.registered == ["a.jpg"])
        eventually(lambda: handler.closings)
    assert handler.dead_letters == []


def test_a_received_message_is_registered_before_the_watcher_stops(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.may_register.clear()
    bucket.put("a.jpg")
    with bucket.watched(handler) as loop:
        eventually(lambda: bucket.queue.depth().in_flight >= 1)
        time.sleep(0.2)
        loop.stop()
        time.sleep(0.2)
        assert handler.registered == []
    assert handler.registered == ["a.jpg"]
    eventually(bucket.is_empty)


def test_messages_received_after_the_stop_are_returned_to_the_queue(bucket: NotifyingBucket) -> None:
    bucket.put("a.jpg")
    loop = Watcher(NotificationRecorder(), bucket.queue)
    loop.stop()
    loop._receive(None, bucket.queue)  # type: ignore[arg-type] # nothing is registered any more
    assert bucket.queue.depth().waiting >= 1


def test_messages_stay_hidden_from_other_receivers_while_registering_takes_long(
    impatient_bucket: NotifyingBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_EXTEND_AFTER", 0.2)
    handler = NotificationRecorder()
    handler.may_register.clear()
    impatient_bucket.put("a.jpg")
    with impatient_bucket.watched(handler):
        eventually(lambda: impatient_bucket.queue.depth().in_flight >= 1)
        time.sleep(1.5)
        assert impatient_bucket.queue.receive(0) == []
        handler.may_register.set()
        eventually(impatient_bucket.is_empty)
    assert handler.registered == ["a.jpg"]


def test_a_queue_that_does_not_answer_is_recorded_each_time(bucket: NotifyingBucket) -> None:
    bucket.server.boto("sqs").delete_queue(QueueUrl=bucket.queue.url)
    with bucket.watched(handler := NotificationRecorder()):
        eventually(lambda: len(handler.queue_problems) > 1)
    assert None not in handler.queue_problems


def test_batches_close_on_time_while_nothing_arrives(bucket: NotifyingBucket) -> None:
    handler = NotificationRecorder()
    handler.next_close = timedelta(milliseconds=150)
    with bucket.watched(handler):
        eventually(lambda: handler.closings > 4)
    assert handler.publications > 3


def test_events_are_published_immediately_after_a_registration(
    bucket: NotifyingBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TICK_SECONDS", 1000.0)
    handler = NotificationRecorder()
    with bucket.watched(handler):
        eventually(lambda: handler.publications)
        before = handler.publications
        bucket.put("a.jpg")
        eventually(lambda: handler.publications > before)


def test_while_prefect_is_unreachable_batches_close_and_health_names_the_problem(
    bucket: NotifyingBucket, caplog: pytest.LogCaptureFixture
) -> None:
    handler = NotificationRecorder()
    handler.next_close = timedelta(milliseconds=100)
    handler.fail("publish_events", PrefectUnreachable("no answer", next_step="labelyard doctor"), times=10_000)
    with caplog.at_level(logging.INFO, "labelyard.sources"), bucket.watched(handler) as loop:
        eventually(lambda: handler.closings > 5)
        health = loop.health()
    assert health["alive"]
    assert "no answer" in health["problems"]["publishing events"]
    assert health["unpublished"] == 3
    assert len([r for r in caplog.records if "no answer" in r.message]) == 1


def test_health_contains_queue_depth_and_times(bucket: NotifyingBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_DEPTH_SECONDS", 0.0)
    handler = NotificationRecorder()
    handler.next_close = timedelta(hours=1)
    with bucket.watched(handler) as loop:
        bucket.put("a.jpg")
        eventually(lambda: handler.registered and bucket.is_empty())
        eventually(lambda: (loop.health()["queue"] or {}).get("waiting") == 0)
        health = loop.health()
    assert health["alive"] is True
    assert health["last_receive"] >= health["since"]
    assert health["last_commit"] >= health["since"]
    assert health["next_close"] > health["last_commit"]


def test_a_watcher_without_heartbeats_is_not_alive(bucket: NotifyingBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Watcher(NotificationRecorder(), bucket.queue)
    assert loop.health()["alive"] is False
    with bucket.watched(NotificationRecorder()) as running:
        eventually(lambda: running.health()["alive"])
        monkeypatch.setattr(watcher, "ALIVE_SECONDS", 0.0)
        assert running.health()["alive"] is False


def test_a_failure_is_logged_when_it_changes_and_pauses_grow_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    backoff, pauses = Backoff("doing"), []
    with caplog.at_level(logging.INFO, "labelyard.sources"):
        for n in range(12):
            backoff.failed(LedgerUnreachable("one" if n < 6 else "two"))
            pauses.append(backoff.pause)
        backoff.succeeded()
    assert [r.message for r in caplog.records] == ["doing: one", "doing: two", "doing: works again"]
    assert backoff.pause == 0 < pauses[0] < pauses[1] < pauses[2] < pauses[-1] <= 30
