"""The unit of work: a Ledger opens transactions, and the functions of this package take one first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from labelyard.errors import LedgerBehind
from labelyard.ledger.declarative import Table
from labelyard.ledger.engine import (
    display_name,
    parse_url,
    read_only,
    release_engine,
    share_engine,
    sqlite_file,
    translated_errors,
)
from labelyard.ledger.migration import check_not_ahead, check_revision
from labelyard.ledger.tables import LedgerIdentity
from labelyard.settings import is_installation, where_to_run

FOR_UPDATE = {"key_share": True}
"""How a row is locked that will change: FOR NO KEY UPDATE; in a query `with_for_update(key_share=True)`.

FOR UPDATE would block the insertion of rows that refer to it. Registering locks the dataset, then its open batch;
closing locks the batch, then writes history of the dataset: they could wait for each other.
"""


class Transaction(Session):
    """One transaction of the ledger: a SQLAlchemy session with `now`, the time on the database's clock."""

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
    """The ledger at `url` (SQLite or PostgreSQL).

    `clock` replaces the database's clock in tests. Raises LedgerBehind where the schema is older than this labelyard's,
    LedgerAhead where it is too new, and LedgerUnreachable where the database does not answer. Each transaction checks
    again whether it is too new: a ledger may be upgraded while processes of an older labelyard have it open.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] | None = None) -> None:
        self.url = parse_url(url)
        self._clock = clock
        if (file := sqlite_file(self.url)) is not None and not file.exists():
            raise no_ledger(file)
        self._engine, self._is_open = share_engine(self.url), True
        try:
            with translated_errors(self.url), read_only(self._engine).connect() as connection:
                check_revision(connection, self.url)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The ledger's address without its password."""
        return display_name(self.url)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction. It is committed at the end of the block, or rolled back when the block raises."""
        with translated_errors(self.url), self._session(self._engine) as tx, tx.begin():
            check_not_ahead(tx.connection(), self.url)
            yield tx

    @contextmanager
    def read_only(self) -> Iterator[Transaction]:
        """Begin a transaction that only reads. On SQLite it does not wait for a writer."""
        with translated_errors(self.url), self._session(read_only(self._engine)) as tx:
            check_not_ahead(tx.connection(), self.url)
            yield tx

    def _session(self, engine: Engine) -> Transaction:
        # Rows are read after their transaction has ended.
        return Transaction(engine, expire_on_commit=False, clock=self._clock)

    def close(self) -> None:
        """Close all connections, unless another ledger of this process has the same address. May be called twice."""
        if self._is_open:
            self._is_open = False
            release_engine(self._engine)


def no_ledger(file: Path) -> LedgerBehind:
    """Return the error of a missing SQLite file: in a folder that is no installation it says from where to run."""
    if is_installation():
        return LedgerBehind("there is no ledger yet", where=str(file.absolute()), next_step="labelyard db upgrade")
    return LedgerBehind(
        f"there is no ledger yet, and no .env was found in {Path.cwd()}; the ledger would be created here",
        where=str(file.absolute()),
        next_step=f"{where_to_run()}; to create the ledger here: labelyard db upgrade --create",
    )


def ledger_id(tx: Transaction) -> str:
    """Return the id of the ledger, which no other one has."""
    return tx.scalars(select(LedgerIdentity.id)).one()


def dialect_insert(tx: Transaction, table: type[Table]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT with `on_conflict_do_…`, which each database has in its own dialect."""
    of_dialect = postgresql.insert if tx.get_bind().dialect.name == "postgresql" else sqlite.insert
    return of_dialect(table)
