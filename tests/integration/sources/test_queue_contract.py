"""What every queue in QUEUES must do, over the network."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labelyard.errors import SettingsError, StoreError, StoreUnreachable
from labelyard.settings import Settings
from labelyard.sources.queues import QUEUES, QueueDepth, open_queue
from labelyard.supervisor.stack import free_ports
from tests.support.emulator import StoreServer
from tests.support.queue_servers import NEW_QUEUES, Connect, at_another_address, with_a_missing_queue

each_queue = pytest.mark.parametrize("kind", QUEUES)


def test_every_type_of_queue_has_a_server() -> None:
    assert set(NEW_QUEUES) == set(QUEUES)


@each_queue
def test_a_queue_names_its_type(kind: str, connect: Connect) -> None:
    assert connect(kind)[0].kind == kind


@each_queue
def test_a_message_is_received_with_its_time_and_attempts(kind: str, connect: Connect) -> None:
    queue, send = connect(kind)
    send("grüße")
    (message,) = queue.receive(1)
    assert message.body == "grüße".encode()
    assert message.attempts == 1
    assert message.sent is not None
    assert abs(datetime.now(UTC) - message.sent) < timedelta(minutes=1)


@each_queue
def test_messages_stay_until_they_are_acknowledged(kind: str, connect: Connect) -> None:
    queue, send = connect(kind)
    send(*map(str, range(12)))
    assert queue.depth() == QueueDepth(waiting=12, in_flight=0)
    first = queue.receive(0, 10)
    assert len(first) == 10
    assert queue.depth() == QueueDepth(waiting=2, in_flight=10)
    queue.acknowledge(first)
    second = queue.receive(0, 10)
    queue.acknowledge(second)
    assert sorted(int(message.body) for message in [*first, *second]) == list(range(12))
    assert list(queue.receive(0)) == []
    assert queue.depth() == QueueDepth(waiting=0, in_flight=0)


@each_queue
def test_many_messages_are_received_extended_and_acknowledged_together(kind: str, connect: Connect) -> None:
    queue, send = connect(kind, visibility=2)
    send(*map(str, range(95)))
    first = queue.receive(0, 60)
    assert 10 < len(first) <= 60
    queue.extend(first, 600)
    rest = [message for _ in range(10) for message in queue.receive(0, 60)]
    assert sorted(int(message.body) for message in [*first, *rest]) == list(range(95))
    queue.acknowledge([*first, *rest])
    assert queue.depth() == QueueDepth(waiting=0, in_flight=0)
    assert list(queue.receive(3, 60)) == []


@each_queue
def test_a_message_that_is_returned_is_redelivered_and_counts_its_attempts(kind: str, connect: Connect) -> None:
    queue, send = connect(kind)
    send("a")
    message = queue.receive(0)
    assert list(queue.receive(0)) == []
    queue.extend(message, 0)
    (again,) = queue.receive(1)
    assert (again.body, again.attempts) == (b"a", 2)


@each_queue
def test_what_the_queue_does_not_return_is_reported(kind: str, connect: Connect) -> None:
    queue, send = connect(kind)
    send("a")
    [message] = queue.receive(0)
    [reason] = queue.extend([message, replace(message, receipt="of no message")], 0)
    assert reason
    assert [again.body for again in queue.receive(1)] == [b"a"]


@each_queue
def test_an_extended_message_stays_hidden(kind: str, connect: Connect) -> None:
    queue, send = connect(kind, visibility=1)
    send("a")
    queue.extend(queue.receive(0), 600)
    assert list(queue.receive(2)) == []


@each_queue
def test_a_message_that_is_not_acknowledged_comes_back(kind: str, connect: Connect) -> None:
    queue, send = connect(kind, visibility=1)
    send("a")
    [first] = queue.receive(0)
    [again] = queue.receive(5)
    assert (first.attempts, again.attempts, again.body) == (1, 2, b"a")
    queue.acknowledge([again])
    assert queue.depth() == QueueDepth(waiting=0, in_flight=0)


@each_queue
def test_a_poll_ends_when_a_message_arrives(kind: str, connect: Connect) -> None:
    queue, send = connect(kind)
    later = threading.Timer(0.5, send, ["a"])
    later.start()
    before = time.monotonic()
    assert [message.body for message in queue.receive(20, 100)] == [b"a"]
    assert time.monotonic() - before < 10
    later.join()


@each_queue
def test_a_queue_without_its_server_is_a_temporary_error(kind: str, request: pytest.FixtureRequest) -> None:
    settings = at_another_address(kind, NEW_QUEUES[kind](request, 30).settings, free_ports(1)[0])
    queue = open_queue(settings)
    assert queue is not None
    with closing(queue), pytest.raises(StoreUnreachable) as caught:
        queue.receive(0)
    assert caught.value.where == settings.watch.queue_url
    assert "LABELYARD_WATCH__" in caught.value.next_step


@each_queue
def test_a_missing_queue_is_an_error_that_names_the_command_that_creates_it(
    kind: str, request: pytest.FixtureRequest
) -> None:
    settings = with_a_missing_queue(kind, NEW_QUEUES[kind](request, 30).settings)
    queue = open_queue(settings)
    assert queue is not None
    with closing(queue), pytest.raises(StoreError) as caught:
        queue.receive(0)
    assert not caught.value.retry
    assert caught.value.where == settings.watch.queue_url
    assert "labelyard notifications" in caught.value.next_step


def test_no_queue_is_opened_without_a_url(store_server: StoreServer) -> None:
    assert open_queue(Settings(store=store_server.settings)) is None


def test_a_url_of_an_unknown_type_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="no queue of a known type") as caught:
        open_queue(Settings(watch={"queue_url": "amqp://somewhere/queue"}))
    assert "LABELYARD_WATCH__QUEUE_URL" in caught.value.next_step
