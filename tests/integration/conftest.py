"""The CVAT sandbox, and a workspace with a bucket and a ledger of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from cvat_sandbox import Serving
from labelyard.context import open_context
from tests.support.cvat_families import V1, serve_cvat
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger
from tests.support.workspace import USERS, Workspace, settings


@pytest.fixture
def cvat_version() -> str:
    """The version of the sandbox; tests that are marked with `each_cvat` run on each."""
    return V1


@pytest.fixture
def sandbox(cvat_version: str) -> Iterator[Serving]:
    with serve_cvat(cvat_version, USERS) as serving:
        yield serving


@pytest.fixture
def workspace(tmp_path: Path, store_server: StoreServer, sandbox: Serving) -> Iterator[Workspace]:
    ledger = create_ledger(tmp_path / "ledger.db")
    with open_context(settings(tmp_path, ledger, store_server.settings, sandbox)) as context:
        workspace = Workspace(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        workspace.apply()
        yield workspace


@pytest.fixture
def fast_retries() -> Iterator[None]:
    """Requests to a server that is away are sent as often as always, without the waits between."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
