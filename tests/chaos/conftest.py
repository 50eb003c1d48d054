"""The parts of benchmarks/faults.py, and a lane of theirs for the tests of a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import StoreServer

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from tests.chaos.environment import Lane, open_lane


@pytest.fixture(scope="session")
def lane(store_server: StoreServer) -> Iterator[Lane]:
    """Servers with their faults, and processes that may die; ledgers on SQLite."""
    with open_lane(store_server.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_lane(store_server: StoreServer, postgres_server: str) -> Iterator[Lane]:
    """The same with ledgers on PostgreSQL."""
    with open_lane(store_server.url, postgres_server) as opened:
        yield opened
