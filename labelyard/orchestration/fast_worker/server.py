"""Prefect's command with a faster server: `python -m labelyard.orchestration.fast_worker.server server start`.

It changes four things of the server.

Transactions on SQLite. A transaction that reads first and writes later fails at once ("database is locked") if another
one has written in between; it does not wait. Triggers do this: after four attempts within a tenth of a second the
event is dropped, and its run is never created. So does the creation of a run: it is repeated after two and after four
seconds, two automations at a time, so that in a burst most runs start late. So does the service that marks runs as
Late: on a slow machine it fills the log with errors. Here every transaction gets the write lock before it reads, as the
ledger's transactions do.

The server's application. For each action of an automation the server creates a client of itself, which finds the
application by a hash of all settings and configures logging again. That blocks the server for a tenth of a second and
more. Here the application is found once.

Garbage collection. Python collects garbage in the thread that allocates, mostly that of the event loop, and may there
find an old SQLite cursor. To reset it, SQLite needs the mutex of the cursor's connection. Another thread holds that
mutex while it waits for the write lock (busy_timeout, 60 s), and the owner of the write lock waits for the event loop:
under load the server stops for up to a minute, every few minutes. Here a thread of its own collects garbage. After its
first full collection it leaves alone what the server has loaded at its start, most of its objects.

Events on SQLite. The server makes one INSERT with all values of the events that it stores, whose SQL is different each
time: with seven resources for an event, an eighth of its work. Here the SQL is made once for a row.
"""

from __future__ import annotations

import functools
import gc
import runpy
import sys
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from prefect.server.api import server
from prefect.server.database import PrefectDBInterface
from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.database.dependencies import db_injector
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.events.storage import database
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from labelyard.errors import InputError
from labelyard.orchestration.fast_worker import require_supported

_SECONDS_BETWEEN_COLLECTIONS = 1.0
_COLLECTIONS_BETWEEN_FULL_ONES = 60


def cache_application() -> None:
    """Make the server find its application once."""
    server.create_app = functools.cache(server.create_app)


def lock_before_reading() -> None:
    """Make every transaction on SQLite get the write lock before it reads. PostgreSQL is not affected."""
    AioSqliteConfiguration.begin_transaction = _begin_with_lock  # type: ignore[assignment, method-assign]


@asynccontextmanager
async def _begin_with_lock(
    self: AioSqliteConfiguration, session: AsyncSession, *, with_for_update: bool = False
) -> AsyncGenerator[AsyncSessionTransaction, None]:
    """Begin a transaction with the write lock, unless it is inside another one, which may hold the lock already."""
    del self
    is_inner = SQLITE_BEGIN_MODE.get() is not None
    token = SQLITE_BEGIN_MODE.set("DEFERRED" if is_inner and not with_for_update else "IMMEDIATE")
    try:
        async with session.begin() as transaction:
            await session.connection()  # sends BEGIN; by default the first statement does
            SQLITE_BEGIN_MODE.set("DEFERRED")  # for sessions that only read, opened inside this one
            yield transaction
    finally:
        SQLITE_BEGIN_MODE.reset(token)


def insert_events_by_row() -> None:
    """Make the server store events with the same SQL each time. PostgreSQL is not affected: there Prefect does so."""
    database._write_sqlite_events = _write_events  # noqa: SLF001


@db_injector
async def _write_events(db: PrefectDBInterface, session: AsyncSession, events: Sequence[ReceivedEvent]) -> None:
    """Store the events that are not in the database yet, and their resources."""
    known = await session.scalars(select(db.Event.id).where(db.Event.id.in_({event.id for event in events})))
    stored = set(known.all())
    new = [event for event in events if event.id not in stored]
    if new:
        await session.execute(db.queries.insert(db.Event), [event.as_database_row() for event in new])
    resources = [row for event in new for row in event.as_database_resource_rows()]
    if resources:
        await session.execute(db.queries.insert(db.EventResource), resources)


def collect_garbage_forever() -> None:
    """Collect young garbage every second, and all garbage every minute; what is left after the first minute stays."""
    collections = 0
    while True:
        time.sleep(_SECONDS_BETWEEN_COLLECTIONS)
        collections += 1
        gc.collect(2 if collections % _COLLECTIONS_BETWEEN_FULL_ONES == 0 else 1)
        if collections == _COLLECTIONS_BETWEEN_FULL_ONES:
            gc.freeze()


if __name__ == "__main__":
    try:
        require_supported()
    except InputError as error:
        sys.exit(f"labelyard: {error}")
    cache_application()
    lock_before_reading()
    insert_events_by_row()
    gc.disable()
    threading.Thread(target=collect_garbage_forever, name="garbage", daemon=True).start()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
