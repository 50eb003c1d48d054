"""The real servers that tests of several folders use. A missing server fails the test; nothing is skipped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import settings

from tests.support.compiled_statements import share_compiled_statements
from tests.support.emulator import StoreServer, run_emulator
from tests.support.fresh_ledger import create_ledger
from tests.support.postgres import create_database, drop_database, run_postgres
from tests.support.postgres import create_ledger as create_postgres_ledger
from tests.support.prefect_redis import PrefectRedis, run_prefect_redis
from tests.support.unsynchronized_ledgers import skip_synchronization

# The certificates of all authorities are read once per process, not once per client.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)

share_compiled_statements()
skip_synchronization()

# Jobs that a shell starts in the background ignore SIGINT, and so do all processes that they start: Prefect's process
# worker would not stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No time limit per example: the machine may be busy.
settings.register_profile("thorough", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("thorough")


_ON_BOTH_DATABASES = (
    *(
        f"tests/integration/ledger/test_{name}.py"
        for name in ("constraints", "databases", "migrations", "open_work", "races")
    ),
    "tests/integration/ledger/test_registering_concurrently.py",
    "tests/chaos/",
    "tests/prefect/",
    "tests/integration/supervisor/",
)
"""Where the databases differ: the quick tests run on PostgreSQL too. Elsewhere the slow tests repeat there what ran on
SQLite."""
_ON_ONE_CVAT = (
    "tests/integration/annotations/",
    "tests/integration/cvat/",
    "tests/integration/operations/",
    "tests/integration/pipeline/",
)
"""Folders whose slow tests repeat on CVAT 1.0.0 what ran on 2.x."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what repeats a test on PostgreSQL, where the databases do not differ, or on CVAT 1.0.0."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        parameters = callspec.params if callspec else {}
        on_postgresql = "postgresql" in parameters.values() and not item.nodeid.startswith(_ON_BOTH_DATABASES)
        on_old_cvat = "1.0.0" in parameters.values() and item.nodeid.startswith(_ON_ONE_CVAT)
        if on_postgresql or on_old_cvat:
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live",
        metavar="URL",
        help="run tests/integration/cvat/test_any_server.py on this CVAT: https://user:password@host",
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this test process: its URL, for psycopg."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database on PostgreSQL, as LABELYARD_LEDGER takes it."""
    name = f"test_{uuid4().hex}"
    yield create_database(postgres_server, name)
    drop_database(postgres_server, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger without tables, once on SQLite, once on PostgreSQL; `upgrade` makes them."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def postgres_ledger(postgres_server: str) -> Iterator[str]:
    """The URL of a new ledger on PostgreSQL."""
    name = f"ledger_{uuid4().hex}"
    yield create_postgres_ledger(postgres_server, name)
    drop_database(postgres_server, name)


@pytest.fixture
def prefect_redis() -> Iterator[PrefectRedis]:
    """A Redis of Prefect's servers, without any event."""
    with run_prefect_redis() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new ledger, once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        return create_ledger(tmp_path / "ledger.db")
    url: str = request.getfixturevalue("postgres_ledger")
    return url


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """An S3 and SQS of this test process; `new_bucket` and `new_queue` keep tests apart."""
    with run_emulator() as server:
        yield server
