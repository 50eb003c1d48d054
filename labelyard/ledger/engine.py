"""The connection to the ledger's database: its URL, the SQLAlchemy engine, and its errors as LedgerUnreachable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from labelyard.errors import LedgerUnreachable, SettingsError, redact

LOCK_SECONDS = 30.0
"""How long a transaction waits for another one's lock, in seconds, until LedgerUnreachable is raised."""
IDLE_SECONDS = 60.0
"""After so many seconds without a statement PostgreSQL ends a transaction: of a process that is stopped, or cut off."""
_READ_ONLY = "labelyard_read_only"
_KEPT_ENGINES = 2
_NO_LIMIT = -1
"""All runs of a worker share an engine: a bound on its connections would make runs and leases wait for each other."""
_users: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()
"""How many ledgers have an engine of `share_engine` open."""
_lock = Lock()


def parse_url(url: str) -> URL:
    """Return the URL of a ledger. Raises SettingsError unless it names SQLite or PostgreSQL."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        parsed, backend = None, "something that is no database URL"  # its text may hold a password
    if parsed is not None and backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed is None or backend != "sqlite":
        raise SettingsError(
            f"LABELYARD_LEDGER names {backend}; a ledger is SQLite or PostgreSQL",
            next_step="write sqlite:///path/to/ledger.db or postgresql://user:password@host/database",
        )
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a ledger on SQLite, None on PostgreSQL."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def display_name(url: URL) -> str:
    """Return a ledger's address without its password."""
    return url.render_as_string(hide_password=True)


def open_engine(url: URL) -> Engine:
    """Return an engine for a ledger; on SQLite with WAL, full synchronisation and foreign keys.

    A transaction waits for a lock for LOCK_SECONDS; on PostgreSQL none keeps its locks for longer than IDLE_SECONDS
    without a statement. (On SQLite a process that is stopped in a transaction keeps others from writing.)
    """
    if url.get_backend_name() != "sqlite":
        # A server without an encoding of its own (SQL_ASCII) would answer with bytes.
        engine = create_engine(
            url, pool_pre_ping=True, max_overflow=_NO_LIMIT, connect_args={"client_encoding": "utf8"}
        )
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    connect = {"timeout": LOCK_SECONDS, "check_same_thread": False}
    engine = create_engine(url, max_overflow=_NO_LIMIT, connect_args=connect)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def share_engine(url: URL) -> Engine:
    """Return an engine for a ledger that this process may have used before; give it back with `release_engine`.

    An engine caches the compiled SQL of its statements. Each flow run opens the ledger again. With a new engine each
    time, a run of a small batch would spend a third of its time on compiling SQL.
    """
    with _lock:
        engine = _kept_engine(url)
        _users[engine] = _users.get(engine, 0) + 1
    return engine


def release_engine(engine: Engine) -> None:
    """Close the connections of an engine, unless another ledger of this process uses them too."""
    with _lock:
        _users[engine] -= 1
        if not _users[engine]:
            engine.dispose()


@lru_cache(maxsize=_KEPT_ENGINES)
def _kept_engine(url: URL) -> Engine:
    return open_engine(url)


def read_only(engine: Engine) -> Engine:
    """Return the same engine for transactions that only read. On SQLite they do not wait for a writer."""
    return engine.execution_options(**{_READ_ONLY: True})


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # Not as options of the connection: PgBouncer refuses those.
    for name, seconds in (("lock_timeout", LOCK_SECONDS), ("idle_in_transaction_session_timeout", IDLE_SECONDS)):
        connection.execute(f"SET {name} = {round(seconds * 1000)}")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions too late, and deferred
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that becomes a writer fails at once with "database is locked" instead of waiting.
    reads = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def translated_errors(url: URL) -> Iterator[None]:
    """Raise LedgerUnreachable where the database does not answer or closes the connection."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        what = f"the ledger does not answer: {_first_line(error)}"
        raise LedgerUnreachable(what, where=display_name(url), next_step="labelyard doctor") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        what = f"the ledger closed the connection: {_first_line(error)}"
        raise LedgerUnreachable(what, where=display_name(url), next_step="labelyard doctor") from error


def _first_line(error: DBAPIError) -> str:
    text = redact(str(error.orig))
    return text.splitlines()[0] if text else type(error.orig).__name__
