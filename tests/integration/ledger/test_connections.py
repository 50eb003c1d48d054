from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.engine.interfaces import CacheStats

from labelyard.ledger import Ledger, upgrade
from labelyard.ledger.tables import Batch


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    file = tmp_path / "ledger.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The statements whose SQL had to be made, in the order of their execution."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        if getattr(context, "cache_hit", None) is CacheStats.CACHE_MISS:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def read(ledger: Ledger) -> None:
    with ledger.read_only() as tx:
        assert tx.scalars(select(Batch)).all() == []


def connections(file: Path) -> int:
    return sum(link.is_symlink() and link.resolve() == file for link in Path("/proc/self/fd").iterdir())


def test_the_sql_of_a_statement_is_made_once_however_often_the_ledger_is_opened(
    ledger_file: Path, compiled: list[str]
) -> None:
    for _ in range(2):
        ledger = Ledger(f"sqlite:///{ledger_file}")
        read(ledger)
        ledger.close()
    assert len([sql for sql in compiled if "FROM batch" in sql]) == 1


def test_closing_a_ledger_leaves_the_others_alone_and_the_last_one_closes_all_connections(ledger_file: Path) -> None:
    first, second = Ledger(f"sqlite:///{ledger_file}"), Ledger(f"sqlite:///{ledger_file}")
    read(first)
    first.close()
    first.close()  # the second time without effect
    assert connections(ledger_file) > 0
    read(second)
    second.close()
    assert connections(ledger_file) == 0


def test_a_ledger_that_cannot_be_opened_leaves_no_connection(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(Exception, match="the ledger is empty"):
        Ledger(f"sqlite:///{empty}")
    assert connections(empty) == 0


def test_runs_that_read_at_the_same_time_do_not_wait_for_each_others_connections(ledger_file: Path) -> None:
    """A worker has twenty runs and more, each with a thread for its lease."""
    with ExitStack() as stack:
        for _ in range(40):
            ledger = stack.enter_context(closing(Ledger(f"sqlite:///{ledger_file}")))
            tx = stack.enter_context(ledger.read_only())
            assert tx.scalars(select(Batch)).all() == []
