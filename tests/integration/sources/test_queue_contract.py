"""What every queue in QUEUES must do, over the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelyard.errors import SettingsError
from labelyard.settings import Settings
from labelyard.sources.queues import QUEUES, Queue, QueueDepth, open_queue
from tests.support.emulator import StoreServer


class SqsServer:
    """SQS in the emulator."""

    def __init__(self, server: StoreServer, visibility: int) -> None:
        self._sqs = server.boto("sqs")
        self.url = server.new_queue(VisibilityTimeout=str(visibility))
        self.settings: dict[str, Any] = {"queue_url": self.url, "sqs_endpoint_url": server.url}

    def send(self, *bodies: str) -> None:
        for n in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[n : n + 10])]
            self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries)


SERVERS: dict[str, Callable[[StoreServer, int], SqsServer]] = {"sqs": SqsServer}
each_queue = pytest.mark.parametrize("kind", QUEUES)


def connect(kind: str, store_server: StoreServer, visibility: int = 30) -> tuple[Queue, Callable[..., None]]:
    """A new queue of a type, and a function that sends messages to it."""
    server = SERVERS[kind](store_server, visibility)
    queue = open_queue(Settings(store=store_server.settings, watch=server.settings))
    assert queue is not None
    return queue, server.send


def test_every_type_of_queue_has_a_server() -> None:
    assert set(SERVERS) == set(QUEUES)


@each_queue
def test_a_queue_names_its_type(kind: str, store_server: StoreServer) -> None:
    assert connect(kind, store_server)[0].kind == kind


@each_queue
def test_a_message_is_received_with_its_time_and_attempts(kind: str, store_server: StoreServer) -> None:
    queue, send = connect(kind, store_server)
    send("grüße")
    (message,) = queue.receive(1)
    assert message.body == "grüße".encode()
    assert message.attempts == 1
    assert message.sent is not None
    assert abs(datetime.now(UTC) - message.sent) < timedelta(minutes=1)


@each_queue
def test_messages_stay_until_they_are_acknowledged(kind: str, store_server: StoreServer) -> None:
    queue, send = connect(kind, store_server)
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
def test_many_messages_are_received_extended_and_acknowledged_together(kind: str, store_server: StoreServer) -> None:
    queue, send = connect(kind, store_server, visibility=2)
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
def test_a_message_that_is_returned_is_redelivered_and_counts_its_attempts(
    kind: str, store_server: StoreServer
) -> None:
    queue, send = connect(kind, store_server)
    send("a")
    message = queue.receive(0)
    assert list(queue.receive(0)) == []
    queue.extend(message, 0)
    (again,) = queue.receive(1)
    assert (again.body, again.attempts) == (b"a", 2)


@each_queue
def test_what_the_queue_does_not_return_is_reported(kind: str, store_server: StoreServer) -> None:
    queue, send = connect(kind, store_server)
    send("a")
    [message] = queue.receive(0)
    [reason] = queue.extend([message, replace(message, receipt="of no message")], 0)
    assert reason
    assert [again.body for again in queue.receive(1)] == [b"a"]


@each_queue
def test_an_extended_message_stays_hidden(kind: str, store_server: StoreServer) -> None:
    queue, send = connect(kind, store_server, visibility=1)
    send("a")
    queue.extend(queue.receive(0), 600)
    assert list(queue.receive(2)) == []


def test_no_queue_is_opened_without_a_url(store_server: StoreServer) -> None:
    assert open_queue(Settings(store=store_server.settings)) is None


def test_a_url_of_an_unknown_type_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="no queue of a known type") as caught:
        open_queue(Settings(watch={"queue_url": "amqp://somewhere/queue"}))
    assert "LABELYARD_WATCH__QUEUE_URL" in caught.value.next_step
