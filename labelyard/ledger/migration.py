"""The schema of the ledger: upgrading it (`labelyard db upgrade`) and checking its revision."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import URL, Connection, column, func, insert, inspect, select, table

from labelyard.errors import LedgerBehind, SettingsError
from labelyard.ledger.alert_tables import Alert  # noqa: F401 - so that the metadata has every table
from labelyard.ledger.engine import display_name, open_engine, parse_url, sqlite_file, translated_errors
from labelyard.ledger.preannotation_tables import Preannotation  # noqa: F401 - the same
from labelyard.ledger.quality_tables import QualityJob  # noqa: F401 - the same
from labelyard.ledger.release_tables import Release  # noqa: F401 - the same
from labelyard.ledger.review_tables import Review  # noqa: F401 - the same
from labelyard.ledger.tables import LedgerIdentity

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: importing it takes longer than opening a ledger, which needs only two numbers.
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> str:
    """Upgrade the schema of the ledger at `url` to the revision that this version of labelyard needs, and return it.

    A missing SQLite file is created. No other command changes the schema. An upgrade that fails changes nothing.
    """
    from alembic import command  # noqa: PLC0415 - slow to import

    database = parse_url(url)
    if (file := sqlite_file(database)) is not None:
        _create_file(file)
    engine = open_engine(database)
    try:
        with translated_errors(database), engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
            _ensure_ledger_id(connection)
            return _revision(connection) or ""
    finally:
        engine.dispose()


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the ledger; commands run over `connection`."""
    from alembic.config import Config  # noqa: PLC0415 - slow to import

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def check_revision(connection: Connection, url: URL) -> None:
    """Raise LedgerBehind unless the ledger has the schema that this version of labelyard needs."""
    found = _revision(connection)
    needed = _newest_revision()
    if found != needed:
        state = "is empty" if found is None else f"has schema {found}, this labelyard needs {needed}"
        raise LedgerBehind(f"the ledger {state}", where=display_name(url), next_step="labelyard db upgrade")


def _revision(connection: Connection) -> str | None:
    """Return the revision that Alembic has recorded in the ledger, None if there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    return revision


@cache
def _newest_revision() -> str:
    # The name of a migration begins with its revision (tests/integration/ledger/test_migrations.py).
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _create_file(file: Path) -> None:
    """Create a missing file and its folder, private to this user; SQLite gives its other files the same mode."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise SettingsError(
            f"the ledger's file cannot be created: {error.strerror}",
            where=str(file),
            next_step="let LABELYARD_LEDGER name a file that this account may write",
        ) from error


def _ensure_ledger_id(connection: Connection) -> None:
    if connection.scalar(select(func.count()).select_from(LedgerIdentity)) == 0:
        connection.execute(insert(LedgerIdentity).values(id=uuid4().hex, created_at=datetime.now(UTC)))
