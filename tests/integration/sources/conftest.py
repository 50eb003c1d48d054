"""The machine that commands run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.emulator import StoreServer
from tests.support.machine import Machine


@pytest.fixture
def machine(store_server: StoreServer, tmp_path: Path) -> Machine:
    return Machine(store_server, tmp_path)
