"""Processes of an older labelyard on a ledger that a newer one has upgraded: they go on, or notice it and stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData

from labelyard import __version__
from labelyard.errors import LedgerAhead, LedgerBehind
from labelyard.ledger import Ledger, datasets, migration, upgrade
from labelyard.ledger.engine import open_engine, parse_url
from labelyard.ledger.migration import alembic_config
from labelyard.orchestration.outdated_worker import SchemaCheck
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.sources.watcher import Watcher
from tests.support.ledger_samples import apply, closed_batch, dataset_spec
from tests.support.workspace import Workspace

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{last}"
branch_labels = depends_on = None
additive = {additive}

def upgrade():
    op.add_column("batch", sa.Column("later", sa.String(), nullable=True))
"""
SINCE = "0020"
"""The first revision that says whether it is additive."""

Upgraded = Callable[..., None]


@contextmanager
def _newer_labelyard(folder: Path, *, additive: bool) -> Iterator[None]:
    """This labelyard with one migration more."""
    own, versions = migration._MIGRATIONS, folder / "migrations" / "versions"
    last = migration._newest_revision()
    shutil.copytree(own, folder / "migrations")
    (versions / "9999_later.py").write_text(NEXT.format(last=last, additive=additive))
    migration._MIGRATIONS = folder / "migrations"
    migration._newest_revision.cache_clear()
    try:
        yield
    finally:
        migration._MIGRATIONS = own
        migration._newest_revision.cache_clear()


@pytest.fixture
def upgraded(tmp_path: Path) -> Upgraded:
    """Upgrade a ledger as a newer labelyard does."""

    def upgrade_later(url: str, *, additive: bool) -> None:
        with _newer_labelyard(tmp_path, additive=additive):
            upgrade(url)

    return upgrade_later


def test_an_older_labelyard_works_on_with_an_additive_schema(ledger_url: str, upgraded: Upgraded) -> None:
    spec = dataset_spec()
    with closing(Ledger(ledger_url)) as ledger:
        apply(ledger, spec)
        upgraded(ledger_url, additive=True)
        assert closed_batch(ledger, spec).state == "closed"
    Ledger(ledger_url).close()


def test_an_older_labelyard_notices_any_other_schema_in_its_next_transaction_and_says_what_to_upgrade(
    ledger_url: str, upgraded: Upgraded
) -> None:
    with closing(Ledger(ledger_url)) as ledger:
        upgraded(ledger_url, additive=False)
        message = f"labelyard {__version__} has upgraded the ledger to schema 9999"
        for transaction in (ledger.transaction, ledger.read_only):
            with pytest.raises(LedgerAhead, match=message), transaction() as tx:
                datasets.current(tx)
    for opens in (Ledger, upgrade):
        with pytest.raises(LedgerAhead) as caught:
            opens(ledger_url)
        assert caught.value.next_step.startswith(f"pip install labelyard=={__version__} on this machine")


def test_a_newer_labelyard_names_the_command_that_upgrades_the_ledger(ledger_url: str, tmp_path: Path) -> None:
    with _newer_labelyard(tmp_path, additive=True), pytest.raises(LedgerBehind) as caught:
        Ledger(ledger_url)
    assert caught.value.next_step == "labelyard db upgrade"


def test_the_watcher_ends_and_a_worker_takes_no_runs(
    workspace: Workspace, upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = workspace.context.settings.ledger
    monkeypatch.setenv("LABELYARD_LEDGER", url)
    assert not SchemaCheck().is_ahead()
    upgraded(url, additive=False)
    with pytest.raises(LedgerAhead):
        Watcher(PipelineHandler(workspace.context, NoPrefect())).run()
    assert SchemaCheck().is_ahead()
    assert "this worker takes no runs any more" in caplog.text


class NoPrefect:
    def publish(self, events: object) -> None:
        raise AssertionError(f"nothing is to be published: {events}")

    def batches_with_queued_run(self) -> set[str]:
        return set()


REVISIONS = [each.revision for each in ScriptDirectory.from_config(alembic_config()).walk_revisions()]


@pytest.mark.parametrize("revision", [each for each in REVISIONS if each >= SINCE])
def test_an_additive_migration_takes_nothing_from_the_labelyard_before_it(tmp_path: Path, revision: str) -> None:
    script = ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    if not script.module.additive:
        pytest.skip("it says that it is not additive")
    engine = open_engine(parse_url(f"sqlite:///{tmp_path / 'ledger.db'}"))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), str(script.down_revision))
        before = _schema(connection)
        command.upgrade(alembic_config(connection), revision)
        after = _schema(connection)
    engine.dispose()
    for name, table in before.tables.items():
        now = after.tables[name]
        assert {index.name for index in now.indexes if index.unique} == {
            index.name for index in table.indexes if index.unique
        }
        assert {column.name: _described(column) for column in now.columns if column.name in table.columns} == {
            column.name: _described(column) for column in table.columns
        }
        for column in now.columns:
            assert column.name in table.columns or column.nullable or column.server_default is not None, column


def _schema(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


def _described(column: Column[object]) -> tuple[str, bool | None]:
    return str(column.type), column.nullable
