"""The machine that commands run on, a NATS server, and new queues of each type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from labelyard.sources.queues import Queue, open_queue
from tests.support.emulator import StoreServer
from tests.support.machine import Machine
from tests.support.nats_server import NatsServer, run_nats
from tests.support.queue_servers import NEW_QUEUES, Connect


@pytest.fixture
def machine(store_server: StoreServer, tmp_path: Path) -> Machine:
    return Machine(store_server, tmp_path)


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    with run_nats() as server:
        yield server


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Create a queue of a type, which redelivers after `visibility` seconds; return it and what sends to it."""
    with ExitStack() as opened:

        def connect(kind: str, visibility: int = 30) -> tuple[Queue, Callable[..., None]]:
            new = NEW_QUEUES[kind](request, visibility)
            queue = open_queue(new.settings)
            assert queue is not None
            opened.enter_context(closing(queue))
            return queue, new.send

        yield connect
