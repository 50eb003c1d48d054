"""Ledgers on SQLite that do not wait for the disk.

A test's ledger need not survive a power cut, and kill -9 loses nothing. PostgreSQL's `fsync` is off in the tests too.
"""

from __future__ import annotations

from typing import Any

from labelyard.ledger import engine as ledger_engine


def skip_synchronization() -> None:
    """Let ledgers that this process opens from now on leave the time of writing to the operating system."""
    prepare = ledger_engine._prepare_sqlite

    def prepare_unsynchronized(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    ledger_engine._prepare_sqlite = prepare_unsynchronized
