"""One sandbox for all tests of a process, a bucket and a ledger for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator import StoreServer
from step_bench import USERS, Bench, settings

from cvat_sandbox import Serving, serve
from labelyard.ledger import upgrade
from labelyard.workplace import open_workplace


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    with serve(USERS) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path: Path, store_server: StoreServer, sandbox: Serving) -> Iterator[Bench]:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(ledger)
    with open_workplace(settings(tmp_path, ledger, store_server.settings, sandbox.url)) as place:
        bench = Bench(place, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        bench.apply()
        yield bench
