"""The schema of the ledger: upgrading it (`labelyard db upgrade`) and checking its revision.

A migration that is `additive` leaves a schema with which the labelyard before it can work: it adds tables, and columns
that may be empty or have a default in the database. So old and new processes work side by side until all are upgraded.
The ledger says which labelyards these are; processes of an older one stop.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import URL, Connection, String, column, func, insert, inspect, select, table, update

import labelyard
from labelyard.errors import LedgerAhead, LedgerBehind, SettingsError
from labelyard.ledger.alert_tables import Alert  # noqa: F401 - so that the metadata has every table
from labelyard.ledger.engine import display_name, open_engine, parse_url, sqlite_file, translated_errors
from labelyard.ledger.people_tables import Absence  # noqa: F401 - the same
from labelyard.ledger.preannotation_tables import Preannotation  # noqa: F401 - the same
from labelyard.ledger.process_tables import RunningProcess  # noqa: F401 - the same
from labelyard.ledger.quality_tables import QualityJob  # noqa: F401 - the same
from labelyard.ledger.release_tables import Release  # noqa: F401 - the same
from labelyard.ledger.review_tables import Review  # noqa: F401 - the same
from labelyard.ledger.server_tables import Outage  # noqa: F401 - the same
from labelyard.ledger.tables import LedgerIdentity

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: importing it takes longer than opening a ledger, which needs only two numbers.
_MIGRATIONS = Path(__file__).parent / "migrations"
_RECORDED = select(column("version_num", String)).select_from(table("alembic_version"))
_OLDEST_COMPATIBLE, _UPGRADED_BY = select(LedgerIdentity.oldest_compatible), select(LedgerIdentity.upgraded_by)


def upgrade(url: str) -> str:
    """Upgrade the schema of the ledger at `url` to the revision that this version of labelyard needs, and return it.

    A missing SQLite file is created. No other command changes the schema. An upgrade that fails changes nothing. Raises
    LedgerAhead where the schema is newer.
    """
    from alembic import command  # noqa: PLC0415 - slow to import

    database = parse_url(url)
    if (file := sqlite_file(database)) is not None:
        _create_file(file)
    engine = open_engine(database)
    try:
        with translated_errors(database), engine.begin() as connection:
            if (found := _revision(connection)) is not None and found > _newest_revision():
                raise _ahead(connection, database, found)
            config = alembic_config(connection)
            command.upgrade(config, "head")
            _ensure_ledger_id(connection)
            if found != _newest_revision():
                _record_compatible(connection, config)
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
    """Check that this labelyard can work with the ledger's schema. Raises LedgerBehind or LedgerAhead."""
    found, needed = _revision(connection), _newest_revision()
    if found is None or found < needed:
        state = "is empty" if found is None else f"has schema {found}, this labelyard needs {needed}"
        raise LedgerBehind(f"the ledger {state}", where=display_name(url), next_step="labelyard db upgrade")
    check_not_ahead(connection, url)


def check_not_ahead(connection: Connection, url: URL) -> None:
    """Check the same of a ledger that has been checked before, with one small query. Raises LedgerAhead."""
    found = connection.scalar(_RECORDED) or ""
    if found > (known := _newest_revision()) and known < (connection.scalar(_OLDEST_COMPATIBLE) or found):
        raise _ahead(connection, url, found)


def _ahead(connection: Connection, url: URL, found: str) -> LedgerAhead:
    version = connection.scalar(_UPGRADED_BY) or "VERSION"
    return LedgerAhead(
        f"labelyard {version} has upgraded the ledger to schema {found}; this is labelyard {labelyard.__version__},"
        f" which knows schema {_newest_revision()}",
        where=display_name(url),
        next_step=f"pip install labelyard=={version} on this machine, and start this process again",
    )


def _revision(connection: Connection) -> str | None:
    """Return the revision that Alembic has recorded in the ledger, None if there is none."""
    return connection.scalar(_RECORDED) if inspect(connection).has_table("alembic_version") else None


def _record_compatible(connection: Connection, config: Config) -> None:
    """Record which labelyards can work with the newest schema: the one of the last migration that was not additive."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to import

    scripts = ScriptDirectory.from_config(config).walk_revisions()  # the newest one first
    oldest = next(each for each in scripts if not getattr(each.module, "additive", False)).revision
    connection.execute(update(LedgerIdentity).values(oldest_compatible=oldest, upgraded_by=labelyard.__version__))


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
