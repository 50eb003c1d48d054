"""A new queue of each type in QUEUES, on a real server, and how to send to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from labelyard.settings import Settings
from labelyard.sources.queues import Queue
from labelyard.watch_settings import NatsSettings, WatchSettings
from tests.support.emulator import StoreServer
from tests.support.nats_server import NatsServer


@dataclass
class NewQueue:
    """Settings with which `open_queue` connects, and what sends messages as a store does."""

    settings: Settings
    send: Callable[..., None]


def _sqs(request: pytest.FixtureRequest, visibility: int) -> NewQueue:
    server: StoreServer = request.getfixturevalue("store_server")
    url, sqs = server.new_queue(VisibilityTimeout=str(visibility)), server.boto("sqs")

    def send(*bodies: str) -> None:
        for n in range(0, len(bodies), 10):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[n : n + 10])]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)

    watch = WatchSettings(queue_url=url, sqs_endpoint_url=server.url)
    return NewQueue(Settings(store=server.settings, watch=watch), send)


def _nats(request: pytest.FixtureRequest, visibility: int) -> NewQueue:
    server: NatsServer = request.getfixturevalue("nats_server")
    names = server.new_stream(ack_wait=visibility)
    watch = WatchSettings(queue_url=server.url, nats=NatsSettings.model_validate(names))
    return NewQueue(Settings(watch=watch), lambda *bodies: server.publish(names["subject"], bodies))


Connect = Callable[..., tuple[Queue, Callable[..., None]]]
NEW_QUEUES: dict[str, Callable[[pytest.FixtureRequest, int], NewQueue]] = {"sqs": _sqs, "nats": _nats}


def at_another_address(kind: str, settings: Settings, port: int) -> Settings:
    """The same queue, said to be at a port of this machine."""
    address = f"http://127.0.0.1:{port}"
    update = {
        "sqs": {"queue_url": f"{address}/1/q", "sqs_endpoint_url": address},
        "nats": {"queue_url": f"nats://127.0.0.1:{port}"},
    }[kind]
    return settings.model_copy(update={"watch": settings.watch.model_copy(update=update)})


def with_a_missing_queue(kind: str, settings: Settings) -> Settings:
    """The same server; but no queue of this name."""
    update = {
        "sqs": {"queue_url": f"{settings.watch.queue_url}-missing"},
        "nats": {"nats": settings.watch.nats.model_copy(update={"consumer": "missing"})},
    }[kind]
    return settings.model_copy(update={"watch": settings.watch.model_copy(update=update)})
