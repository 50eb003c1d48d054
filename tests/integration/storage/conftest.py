from __future__ import annotations

import pytest

from labelyard.storage.store import Store
from tests.support.emulator import StoreServer


@pytest.fixture
def store(store_server: StoreServer) -> Store:
    return store_server.store


@pytest.fixture
def bucket(store_server: StoreServer) -> str:
    return store_server.new_bucket()
