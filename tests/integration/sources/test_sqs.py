"""The queue over the wire, against an emulator of SQS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labelyard.errors import SettingsError, StoreError, StoreUnreachable
from labelyard.settings import StoreSettings
from labelyard.sources import QueueDepth
from labelyard.sources.sqs import Queue
from tests.support.emulator import StoreServer, free_port


@pytest.fixture
def queue(store_server: StoreServer) -> Queue:
    return Queue(store_server.new_queue(), store_server.settings, store_server.url)


def send(server: StoreServer, queue: Queue, *bodies: str) -> None:
    for body in bodies:
        server.boto("sqs").send_message(QueueUrl=queue.url, MessageBody=body)


def fill(server: StoreServer, queue: Queue, *bodies: str) -> None:
    for n in range(0, len(bodies), 10):
        entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[n : n + 10])]
        server.boto("sqs").send_message_batch(QueueUrl=queue.url, Entries=entries)


def test_a_message_is_received_with_its_age_and_attempts(store_server: StoreServer, queue: Queue) -> None:
    send(store_server, queue, "grüße")
    (one,) = queue.receive(1)
    assert one.body == "grüße".encode()
    assert one.attempts == 1
    assert one.sent is not None
    assert abs(datetime.now(UTC) - one.sent) < timedelta(minutes=1)


def test_messages_come_ten_at_a_time_and_stay_until_acknowledged(store_server: StoreServer, queue: Queue) -> None:
    send(store_server, queue, *map(str, range(12)))
    assert queue.depth() == QueueDepth(waiting=12, in_flight=0)
    first = queue.receive(0)
    assert len(first) == 10
    assert queue.depth() == QueueDepth(waiting=2, in_flight=10)
    queue.acknowledge(first)
    second = queue.receive(0)
    queue.acknowledge(second)
    assert sorted(int(one.body) for one in [*first, *second]) == list(range(12))
    assert queue.receive(0) == []
    assert queue.depth() == QueueDepth(waiting=0, in_flight=0)


def test_many_messages_are_received_kept_and_acknowledged_together(store_server: StoreServer) -> None:
    queue = Queue(store_server.new_queue(VisibilityTimeout="2"), store_server.settings, store_server.url)
    fill(store_server, queue, *map(str, range(95)))
    first = queue.receive(0, 60)
    assert 10 < len(first) <= 60
    queue.extend(first, 600)
    rest = [one for _ in range(10) for one in queue.receive(0, 60)]
    assert sorted(int(one.body) for one in [*first, *rest]) == list(range(95))
    queue.acknowledge([*first, *rest])
    assert queue.depth() == QueueDepth(waiting=0, in_flight=0)
    assert queue.receive(3, 60) == []


def test_a_message_that_is_given_back_comes_again_and_counts_its_attempts(
    store_server: StoreServer, queue: Queue
) -> None:
    send(store_server, queue, "a")
    (one,) = queue.receive(0)
    assert queue.receive(0) == []
    queue.extend([one], 0)
    (again,) = queue.receive(1)
    assert (again.body, again.attempts) == (b"a", 2)


def test_a_message_can_be_kept_for_longer(store_server: StoreServer) -> None:
    queue = Queue(store_server.new_queue(VisibilityTimeout="1"), store_server.settings, store_server.url)
    send(store_server, queue, "a")
    kept = queue.receive(0)
    queue.extend(kept, 600)
    assert queue.receive(2) == []


def test_a_fifo_queue_is_refused(store_server: StoreServer) -> None:
    with pytest.raises(SettingsError, match="FIFO") as caught:
        Queue("https://sqs.eu-central-1.amazonaws.com/1/pictures.fifo", store_server.settings)
    assert "LABELYARD_WATCH__QUEUE_URL" in caught.value.next_step


def test_a_missing_queue_is_told_with_the_command_that_makes_it(store_server: StoreServer) -> None:
    url = f"{store_server.url}/000000000000/no-such-queue"
    with pytest.raises(StoreError) as caught:
        Queue(url, store_server.settings, store_server.url).receive(0)
    assert not caught.value.retry
    assert "labelyard notifications" in caught.value.next_step
    assert caught.value.where == url


def test_a_queue_that_is_down_is_worth_another_try(store_server: StoreServer) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreUnreachable):
        Queue(f"{url}/1/q", store_server.settings, url).receive(0)


def test_a_queue_of_aws_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreError, match="no region") as caught:
        Queue("https://sqs.eu-central-1.amazonaws.com/1/pictures", StoreSettings())
    assert "LABELYARD_STORE__REGION" in caught.value.next_step
