from __future__ import annotations

import pytest
from emulator import StoreServer

from labelyard.storage import Store


@pytest.fixture
def store(store_server: StoreServer) -> Store:
    return store_server.store


@pytest.fixture
def bucket(store_server: StoreServer) -> str:
    return store_server.new_bucket()
