"""The changes of the fast server: each test fails with Prefect's own server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, Settings, temporary_settings
from sqlalchemy import func, select, text
from sqlalchemy.event import listen

from tests.support.prefect_server import PrefectServer

pytestmark = pytest.mark.slow  # Prefect's server takes five seconds to import

# A test that needs it imports it itself, not each test process.
if TYPE_CHECKING:
    from prefect.server.database import PrefectDBInterface

SCRIPT = """
import gc, sqlite3, sys, threading, time
from labelyard.orchestration.fast_worker.server import collect_garbage_forever

def connection(**more):
    return sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False, **more)

gc.disable()
writer, waiter = connection(), connection(timeout=600)
writer.execute("PRAGMA journal_mode = WAL")
writer.execute("BEGIN IMMEDIATE")
old = [waiter.execute("PRAGMA busy_timeout")]  # a cursor that was never read, as creating a connection leaves it
old.append(old)
del old
waiting = threading.Thread(target=waiter.execute, args=("BEGIN IMMEDIATE",))
waiting.start()
time.sleep(0.2)
threading.Thread(target=collect_garbage_forever, daemon=True).start()
time.sleep(1.5)  # the collector waits for the waiter by now
writer.execute("COMMIT")
waiting.join()
print("no deadlock")
"""


def test_a_writer_continues_while_the_garbage_collector_waits_for_a_connection(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "some.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "no deadlock\n", done.stderr


def test_it_is_prefects_own_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labelyard.orchestration.fast_worker.server", "server", "start", "--help"]
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Start a Prefect server instance" in done.stdout


def test_it_finds_its_application_without_hashing_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.server.api import server

    from labelyard.orchestration.fast_worker.server import cache_application

    monkeypatch.setattr(server, "create_app", server.create_app)  # restored at the end
    cache_application()
    application = server.create_app()
    monkeypatch.setattr(Settings, "hash_key", lambda _: pytest.fail("the settings were hashed"))
    assert server.create_app() is application


async def _read_and_write(times: int) -> list[object]:
    """Return the results of `times` simultaneous triggers that read and then write."""
    from prefect.server.database import provide_database_interface
    from prefect.server.events import triggers

    async def one() -> None:
        async with triggers.automations_session(begin_transaction=True) as session:
            count = await session.scalar(text("SELECT count(*) FROM counted"))
            await asyncio.sleep(0.05)
            await session.execute(text("INSERT INTO counted VALUES (:count)"), {"count": count})

    async with provide_database_interface().session_context(begin_transaction=True) as session:
        await session.execute(text("CREATE TABLE counted (number)"))
    return list(await asyncio.gather(*(one() for _ in range(times)), return_exceptions=True))


def _reading_and_writing(file: Path) -> list[object]:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import temporary_database_config

    with temporary_database_config(AioSqliteConfiguration(f"sqlite+aiosqlite:///{file}")):
        return asyncio.run(_read_and_write(3))


def test_transactions_that_read_and_then_write_wait_for_each_other_on_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.server.database.configurations import AioSqliteConfiguration

    from labelyard.orchestration.fast_worker.server import lock_before_reading

    without = _reading_and_writing(tmp_path / "without.db")
    assert any("database is locked" in str(failure) for failure in without), "Prefect itself waits now"
    begin = AioSqliteConfiguration.begin_transaction
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin)  # restored at the end
    lock_before_reading()
    assert _reading_and_writing(tmp_path / "with.db") == [None] * 3


async def _read_inside(database: PrefectDBInterface) -> list[int]:
    async with database.session_context(begin_transaction=True) as outer:
        await outer.execute(text("CREATE TABLE counted (number)"))
        async with database.session_context() as reader, asyncio.timeout(10):
            first = await reader.scalar(text("SELECT count(*) FROM sqlite_master"))
        async with database.session_context(begin_transaction=True) as inner, asyncio.timeout(10):
            second = await inner.scalar(text("SELECT count(*) FROM sqlite_master"))
    return [first, second]


def test_a_session_that_reads_inside_a_transaction_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.server.database import provide_database_interface
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import temporary_database_config

    from labelyard.orchestration.fast_worker.server import lock_before_reading

    begin = AioSqliteConfiguration.begin_transaction
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin)  # restored at the end
    lock_before_reading()
    with temporary_database_config(AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path / 'some.db'}")):
        assert asyncio.run(_read_inside(provide_database_interface())) == [0, 0]


async def _write_twice(statements: list[str]) -> list[int]:
    """Store two events, then one of them again with a third; return the counts of events and of their resources."""
    from prefect.server.database import provide_database_interface
    from prefect.server.events.schemas.events import Event
    from prefect.server.events.storage import database as storage
    from prefect.types import DateTime

    db = provide_database_interface()
    await db.create_db()
    engine = await db.engine()
    listen(engine.sync_engine, "before_cursor_execute", lambda _c, _k, sql, *_: statements.append(sql))
    related = [{"prefect.resource.id": f"of.{number}", "prefect.resource.role": "of"} for number in range(3)]
    events = [
        Event(
            occurred=DateTime.now("UTC"), event="tested", resource={"prefect.resource.id": "a.test"}, related=related,
            id=uuid4(),
        ).receive()
        for _ in range(3)
    ]  # fmt: skip
    async with db.session_context(begin_transaction=True) as session:
        await storage.write_events(session=session, events=events[:2])
        await storage.write_events(session=session, events=events[1:])
        return [
            await session.scalar(select(func.count()).select_from(one)) or 0 for one in (db.Event, db.EventResource)
        ]


def _written(file: Path) -> tuple[list[int], set[str]]:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import temporary_database_config

    statements: list[str] = []
    url = f"sqlite+aiosqlite:///{file}"
    with (
        temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}),
        temporary_database_config(AioSqliteConfiguration(url)),
    ):
        counts = asyncio.run(_write_twice(statements))
    return counts, {sql for sql in statements if sql.startswith("INSERT INTO event")}


def test_events_are_stored_once_each_with_the_same_sql_however_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.server.events.storage import database as storage

    from labelyard.orchestration.fast_worker.server import insert_events_by_row

    counts, statements = _written(tmp_path / "without.db")
    assert len(statements) > 2, "Prefect itself stores rows with the same SQL now"
    monkeypatch.setattr(storage, "_write_sqlite_events", storage._write_sqlite_events)  # restored at the end
    insert_events_by_row()
    same, fewer = _written(tmp_path / "with.db")
    assert same == counts == [3, 12]
    assert len(fewer) == 2


@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_many_runs_of_a_deployment_can_be_created_at_the_same_time(prefect_server: PrefectServer) -> None:
    flow = prefect_server.call("POST", "/flows/", {"name": "many"})
    created = prefect_server.call("POST", "/deployments/", {"name": "many", "flow_id": flow["id"]})
    address = f"{prefect_server.api_url}/deployments/{created['id']}/create_flow_run"

    def create(number: int) -> int:
        return httpx.post(address, json={"name": f"many {number}"}, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(create, range(40))) == {httpx.codes.CREATED: 40}
