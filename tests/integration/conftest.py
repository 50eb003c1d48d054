"""The CVAT sandbox, and a workspace with a bucket and a ledger of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvat_sandbox import Serving, serve
from labelyard.context import open_context
from labelyard.ledger import upgrade
from tests.support.emulator import StoreServer
from tests.support.workspace import USERS, Workspace, settings


@pytest.fixture
def sandbox() -> Iterator[Serving]:
    with serve(USERS) as serving:
        yield serving


@pytest.fixture
def workspace(tmp_path: Path, store_server: StoreServer, sandbox: Serving) -> Iterator[Workspace]:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(ledger)
    with open_context(settings(tmp_path, ledger, store_server.settings, sandbox.url)) as context:
        workspace = Workspace(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        workspace.apply()
        yield workspace
