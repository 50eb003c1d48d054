"""The watcher on each type of queue in QUEUES."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labelyard.errors import LedgerUnreachable
from labelyard.sources import watcher
from labelyard.sources.queues import QUEUES, Queue, QueueDepth, open_queue
from labelyard.sources.watcher import Watcher
from labelyard.supervisor.stack import free_ports
from tests.support.notification_recorder import NotificationRecorder
from tests.support.queue_servers import NEW_QUEUES, Connect, at_another_address
from tests.support.waiting import eventually

each_queue = pytest.mark.parametrize("kind", QUEUES)
EMPTY = QueueDepth(waiting=0, in_flight=0)


def notification(key: str) -> str:
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}
    return json.dumps({"Records": [record]})


@contextmanager
def watched(queue: Queue, handler: NotificationRecorder) -> Iterator[Watcher]:
    loop = Watcher(handler, queue, wait_seconds=1)
    running = threading.Thread(target=loop.run)
    running.start()
    try:
        yield loop
    finally:
        loop.stop()
        running.join(30)
        assert not running.is_alive()


@each_queue
def test_more_messages_than_a_request_has_are_registered_together_and_acknowledged(kind: str, connect: Connect) -> None:
    (queue, send), handler = connect(kind), NotificationRecorder()
    keys = [f"{n:03d}.jpg" for n in range(60)]
    send(*map(notification, keys))
    with watched(queue, handler):
        eventually(lambda: sorted(handler.registered) == keys)
        eventually(lambda: queue.depth() == EMPTY)
    assert handler.via == {kind}
    assert max(handler.call_sizes) > 10


@each_queue
def test_an_unreadable_message_becomes_a_dead_letter_and_is_acknowledged(kind: str, connect: Connect) -> None:
    (queue, send), handler = connect(kind), NotificationRecorder()
    send("no notification", notification("a.jpg"))
    with watched(queue, handler):
        eventually(lambda: handler.dead_letters and queue.depth() == EMPTY)
    assert [(body, source) for body, source, _ in handler.dead_letters] == [(b"no notification", kind)]
    assert handler.registered == ["a.jpg"]


@each_queue
def test_what_cannot_be_registered_now_comes_back_and_nothing_is_lost(kind: str, connect: Connect) -> None:
    (queue, send), handler = connect(kind, visibility=1), NotificationRecorder()
    handler.fail("register", LedgerUnreachable("away"))
    send(notification("a.jpg"))
    with watched(queue, handler):
        eventually(lambda: handler.registered == ["a.jpg"])
        eventually(lambda: queue.depth() == EMPTY)
    assert handler.dead_letters == []


@each_queue
def test_a_stopped_watcher_returns_what_it_has_not_registered(
    kind: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "STOP_SECONDS", 0.1)
    (queue, send), handler = connect(kind, visibility=600), NotificationRecorder()
    handler.may_register.clear()
    send(notification("a.jpg"))
    try:
        with watched(queue, handler) as loop:
            eventually(lambda: queue.depth().in_flight == 1)
            eventually(lambda: loop.health()["last_receive"])
        [again] = queue.receive(5)
    finally:
        handler.may_register.set()  # the stopped watcher's thread would acknowledge what it registers late
    assert (b"a.jpg" in again.body, again.attempts) == (True, 2)


@each_queue
def test_without_its_server_the_watcher_records_why_and_goes_on_trying(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    settings = at_another_address(kind, NEW_QUEUES[kind](request, 30).settings, free_ports(1)[0])
    queue, handler = open_queue(settings), NotificationRecorder()
    assert queue is not None
    with caplog.at_level(logging.INFO, "labelyard.sources"), watched(queue, handler) as loop:
        eventually(lambda: len(handler.queue_problems) > 1)
        health = loop.health()
    queue.close()
    assert set(handler.queue_problems) == {handler.queue_problems[0]}
    assert str(handler.queue_problems[0]).startswith(f"{settings.watch.queue_url}: ")
    assert str(handler.queue_problems[0]) in health["problems"]["receiving notifications"]
    assert (health["alive"], health["ready"]) == (True, False)
    first_line = f"receiving notifications: {settings.watch.queue_url}"
    assert [line.startswith(first_line) for line in caplog.messages].count(True) == 1
