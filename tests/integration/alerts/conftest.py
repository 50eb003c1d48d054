"""A ledger whose clock the test sets, and channels that keep what they get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelyard.context import Context
from labelyard.ledger import Ledger
from labelyard.storage import Store
from tests.support.alerting import Channels, with_channels
from tests.support.emulator import StoreServer
from tests.support.ledger_samples import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channels() -> Channels:
    return Channels()


@pytest.fixture
def context(ledger_url: str, clock: Clock, store_server: StoreServer, tmp_path: Path) -> Iterator[Context]:
    ledger = Ledger(ledger_url, clock=clock)
    yield Context(with_channels("lead"), ledger, Store(store_server.settings))
    ledger.close()
