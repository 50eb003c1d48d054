"""One sandbox for all tests of a process, a bucket and a ledger for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelyard.context import open_context
from labelyard.sandbox import Serving, serve
from tests.support.bench import USERS, Bench, settings
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    with serve(USERS) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path: Path, store_server: StoreServer, sandbox: Serving) -> Iterator[Bench]:
    ledger = create_ledger(tmp_path / "ledger.db")
    with open_context(settings(tmp_path, ledger, store_server.settings, sandbox.url)) as context:
        bench = Bench(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        bench.apply()
        yield bench
