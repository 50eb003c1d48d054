"""A Prefect server for all tests of this package, and deployments on a work pool.

A workspace is a ledger with a dataset, a bucket, and a CVAT sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvat_sandbox.server import serve
from tests.support.emulator import StoreServer
from tests.support.prefect_server import PrefectServer, run_prefect_server
from tests.support.prefect_workspace import PEOPLE, RARELY, PrefectWorkspace, new_workspace


@pytest.fixture(scope="package")  # it ends before the other tests of the process begin: it is never idle
def prefect_server() -> Iterator[PrefectServer]:
    """A Prefect server, without deployments; mark the tests `prefect`."""
    with run_prefect_server() as server:
        yield server


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    with serve(PEOPLE) as sandbox:
        yield sandbox.url


@pytest.fixture
def workspace(tmp_path: Path, store_server: StoreServer, sandbox_url: str) -> PrefectWorkspace:
    return new_workspace(tmp_path, store_server, sandbox_url)


@pytest.fixture(scope="module")
def deployed(prefect_server: PrefectServer) -> PrefectServer:
    """The server with the deployments of prefect.yaml on the pool `labelyard`."""
    if prefect_server.deployed[-1:] != [RARELY]:  # a deploy takes twenty seconds of CPU
        prefect_server.command("labelyard", "deploy", **RARELY)
    # Earlier tests may have deployed with short intervals: a late run of theirs would do what a test waits for.
    prefect_server.delete_scheduled_runs()
    return prefect_server
