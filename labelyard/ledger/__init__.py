"""The ledger: the database that knows what has been done, and so what is left to do.

`Ledger` opens transactions; what is asked inside one stands in a module of its own question: datasets, objects,
batches, claims, tasks, jobs, exports, history, outbox, dead letters, overview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from labelyard.errors import LedgerBehind, LedgerUnreachable, SettingsError, redact
from labelyard.ledger.tables import LedgerIdentity, Table

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_SECONDS = 30


class Transaction(Session):
    """A unit of work on the ledger: a SQLAlchemy session that knows the time on the database's clock."""

    def __init__(self, bind: Engine, *, expire_on_commit: bool, clock: Callable[[], datetime] | None) -> None:
        super().__init__(bind, expire_on_commit=expire_on_commit)
        self._clock = clock

    @property
    def now(self) -> datetime:
        """The time (UTC) on the database's clock, shared by all hosts; it does not change within a transaction."""
        return self._clock() if self._clock is not None else self._database_time

    @cached_property
    def _database_time(self) -> datetime:
        if self.get_bind().dialect.name == "sqlite":
            text: str = self.scalar(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now"))) or ""
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        at: datetime = self.scalars(select(func.clock_timestamp())).one()
        return at.astimezone(UTC)


class Ledger:
    """The ledger behind `url` (SQLite or PostgreSQL).

    `clock` replaces the database's own clock in tests. Raises LedgerBehind where code and schema differ, and
    LedgerUnreachable where the database does not answer.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None = None) -> None:
        self.url = _checked(url)
        self._clock = clock
        if (file := _file(self.url)) is not None and not file.exists():
            raise LedgerBehind("there is no ledger yet", where=self.name, next_step="labelyard db upgrade")
        self._engine = _engine(self.url)
        with _translated(self.url), self._engine.execution_options(labelyard_reads=True).connect() as connection:
            _check_schema(connection, self.url)

    @property
    def name(self) -> str:
        """The ledger's address without its password, for people."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction. It is committed at the end of the block, or rolled back when the block raises."""
        with _translated(self.url), self._begin(self._engine) as tx, tx.begin():
            yield tx

    @contextmanager
    def read_only(self) -> Iterator[Transaction]:
        """Begin a transaction that only reads. On SQLite it does not wait for a writer."""
        engine = self._engine.execution_options(labelyard_reads=True)
        with _translated(self.url), self._begin(engine) as tx:
            yield tx

    def _begin(self, engine: Engine) -> Transaction:
        return Transaction(engine, expire_on_commit=False, clock=self._clock)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def insert_unless_there(tx: Transaction, table: type[Table]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows `on_conflict_do_nothing`, which each database has in a dialect of its own."""
    insert = postgresql.insert if tx.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert(table)


def upgrade(url: str) -> str:
    """Bring the schema of the ledger at `url` to this code's, creating the database file if need be.

    Returns the schema's revision. The only thing that ever changes a schema.
    """
    checked = _checked(url)
    if (file := _file(checked)) is not None:
        _make_folder(file.parent)
    engine = _engine(checked)
    try:
        with _translated(checked), engine.begin() as connection:
            command.upgrade(migrations(connection), "head")
            _introduce(connection)
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the ledger's folder cannot be made: {error.strerror}",
            where=str(folder),
            next_step="let LABELYARD_LEDGER name a file that this account may write",
        ) from error


def _introduce(connection: Connection) -> None:
    if connection.scalar(select(func.count()).select_from(LedgerIdentity)) == 0:
        connection.execute(insert(LedgerIdentity).values(id=uuid4().hex, created_at=datetime.now(UTC)))


def migrations(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the ledger."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        parsed, backend = None, "something that is no database's URL"  # its text may hold a password
    if parsed is not None and backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed is None or backend != "sqlite":
        raise SettingsError(
            f"LABELYARD_LEDGER names {backend}; a ledger is SQLite or PostgreSQL",
            next_step="write sqlite:///path/to/ledger.db or postgresql://user:password@host/database",
        )
    return parsed


def _file(url: URL) -> Path | None:
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # A server without an encoding of its own (SQL_ASCII) would answer with bytes.
        return create_engine(url, pool_pre_ping=True, connect_args={"client_encoding": "utf8"})
    engine = create_engine(url, connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions too late, and deferred
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once with "database is locked" instead of waiting.
    reads = connection.get_execution_options().get("labelyard_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _check_schema(connection: Connection, url: URL) -> None:
    have = MigrationContext.configure(connection).get_current_revision()
    want = _newest()
    if have != want:
        name = url.render_as_string(hide_password=True)
        state = "is empty" if have is None else f"has schema {have}, this labelyard needs {want}"
        raise LedgerBehind(f"the ledger {state}", where=name, next_step="labelyard db upgrade")


@cache
def _newest() -> str | None:
    """The newest revision of this code; to read it from the scripts takes longer than to open a ledger."""
    return ScriptDirectory.from_config(migrations()).get_current_head()


@contextmanager
def _translated(url: URL) -> Iterator[None]:
    """The database's own words for "not now" as LedgerUnreachable."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        name = url.render_as_string(hide_password=True)
        first = redact(str(error.orig)).splitlines()[0] if str(error.orig) else type(error.orig).__name__
        raise LedgerUnreachable(
            f"the ledger does not answer: {first}", where=name, next_step="labelyard doctor"
        ) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise LedgerUnreachable("the ledger closed the connection", next_step="labelyard doctor") from error
