"""Environments for chaos runs of one test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.environment import Environment, open_environment
from tests.support.cvat_families import V2
from tests.support.emulator import StoreServer


@pytest.fixture(scope="session")
def environment(store_server: StoreServer) -> Iterator[Environment]:
    """An environment with ledgers on SQLite."""
    with open_environment(store_server.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_environment(store_server: StoreServer, postgres_server: str) -> Iterator[Environment]:
    """An environment with ledgers on PostgreSQL."""
    with open_environment(store_server.url, postgres_server) as opened:
        yield opened


@pytest.fixture(scope="session")
def v2_environment(store_server: StoreServer) -> Iterator[Environment]:
    """An environment with a CVAT 2.x, and ledgers on SQLite."""
    with open_environment(store_server.url, cvat_version=V2) as opened:
        yield opened
