"""Prefect's command with a faster server: `python -m labelyard.orchestration.fast_worker.server server start`.

It changes three things of the server.

Transactions on SQLite. A transaction that reads first and writes later fails at once ("database is locked") if another
one has written in between; it does not wait. Triggers do this: after four attempts within a tenth of a second the
event is dropped, and its run is never created. So does the creation of a run: it is repeated after two and after four
seconds, two automations at a time, so that in a burst most runs start late. Here both get the write lock before they
read, as the ledger's transactions do.

The server's application. For each action of an automation the server creates a client of itself, which finds the
application by a hash of all settings and configures logging again. That blocks the server for a tenth of a second and
more. Here the application is found once.

Garbage collection. Python collects garbage in the thread that allocates, mostly that of the event loop, and may there
find an old SQLite cursor. To reset it, SQLite needs the mutex of the cursor's connection. Another thread holds that
mutex while it waits for the write lock (busy_timeout, 60 s), and the owner of the write lock waits for the event loop:
under load the server stops for up to a minute, every few minutes. Here a thread of its own collects garbage.
"""

from __future__ import annotations

import functools
import gc
import runpy
import sys
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.server.api import deployments, server
from prefect.server.database import PrefectDBInterface, provide_database_interface
from prefect.server.events import triggers
from sqlalchemy.ext.asyncio import AsyncSession

from labelyard.errors import InputError
from labelyard.orchestration.fast_worker import require_supported

_SECONDS_BETWEEN_COLLECTIONS = 1.0
_COLLECTIONS_BETWEEN_FULL_ONES = 60


def cache_application() -> None:
    """Make the server find its application once."""
    server.create_app = functools.cache(server.create_app)


def lock_before_triggers_read() -> None:
    """Make a trigger on SQLite get the write lock before it reads. PostgreSQL is not affected."""

    def writing_session(*, begin_transaction: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        return _WriteFirst(provide_database_interface()).session_context(begin_transaction=begin_transaction)

    triggers.automations_session = writing_session  # type: ignore[assignment, attr-defined]


def lock_before_runs_are_created() -> None:
    """Make the creation of a run on SQLite get the write lock before it reads.

    To be called before the application is created.
    """
    create: Any = deployments.create_flow_run_from_deployment

    @functools.wraps(create)  # FastAPI builds the route from the signature
    async def create_with_lock(db: PrefectDBInterface, **others: Any) -> Any:
        return await create(db=_WriteFirst(db), **others)

    [route] = [route for route in deployments.router.routes if getattr(route, "endpoint", None) is create]
    route.endpoint = create_with_lock  # type: ignore[attr-defined]


class _WriteFirst:
    """A database whose transactions start with the write lock on SQLite; on PostgreSQL they are as before."""

    def __init__(self, database: PrefectDBInterface) -> None:
        self._database = database

    def session_context(self, *, begin_transaction: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.session_context(begin_transaction, with_for_update=begin_transaction)


def collect_garbage_forever() -> None:
    """Collect young garbage every second, and all garbage every minute."""
    collections = 0
    while True:
        time.sleep(_SECONDS_BETWEEN_COLLECTIONS)
        collections += 1
        gc.collect(2 if collections % _COLLECTIONS_BETWEEN_FULL_ONES == 0 else 1)


if __name__ == "__main__":
    try:
        require_supported()
    except InputError as error:
        sys.exit(f"labelyard: {error}")
    cache_application()
    lock_before_triggers_read()
    lock_before_runs_are_created()
    gc.disable()
    threading.Thread(target=collect_garbage_forever, name="garbage", daemon=True).start()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
