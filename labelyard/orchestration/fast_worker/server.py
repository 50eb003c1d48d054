"""`python -m labelyard.orchestration.fast_worker.server …`: the `prefect` command with three fixes to its server.

On SQLite a transaction that looks first and writes then fails at once where another has written in between ("database
is locked"), instead of waiting. Triggers do so: after four tries in a tenth of a second the event is dropped, and with
it the run that it should have started. So does whoever makes a run of a deployment: it is tried again after two
seconds, then after four, and only two automations can try at a time, so that in a burst most runs begin late. Here both
wait for their turn before they look, as the ledger's writers do.

For each action of an automation the server makes a client of itself. That looks for its application by a hash of all
settings and sets logging up anew: a tenth of a second and more, in which nothing else goes on. Here it is found once.

Garbage is collected by a thread of its own. On SQLite the server otherwise stands still for up to a minute, under load
every few minutes. Garbage is collected in whatever thread allocates, mostly the event loop's, and may hold an old
cursor. To reset it SQLite wants the mutex of the cursor's connection, which another thread holds while it waits for the
write lock (busy_timeout, 60 s); and whoever has the write lock waits for the event loop. A collecting thread may wait
as long as it likes.
"""

from __future__ import annotations

import functools
import gc
import runpy
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.server.api import deployments, server
from prefect.server.database import PrefectDBInterface, provide_database_interface
from prefect.server.events import triggers
from sqlalchemy.ext.asyncio import AsyncSession

_SECONDS_BETWEEN_LOOKS = 1.0
_LOOKS_BETWEEN_FULL_ONES = 60


def find_application_at_once() -> None:
    """Remember the server's application, whatever is asked for."""
    server.create_app = functools.cache(server.create_app)


def let_triggers_take_turns() -> None:
    """Let a trigger on SQLite wait until it may write, before it looks; PostgreSQL needs no such thing."""

    def session_in_turn(*, begin_transaction: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        return _InTurn(provide_database_interface()).session_context(begin_transaction=begin_transaction)

    triggers.automations_session = session_in_turn  # type: ignore[assignment, attr-defined]


def let_new_runs_take_turns() -> None:
    """Let whoever makes a run of a deployment wait until it may write, before it looks.

    To be called before the application is made.
    """
    make: Any = deployments.create_flow_run_from_deployment

    @functools.wraps(make)  # its signature is what the route is made of
    async def make_in_turn(db: PrefectDBInterface, **others: Any) -> Any:
        return await make(db=_InTurn(db), **others)

    [route] = [route for route in deployments.router.routes if getattr(route, "endpoint", None) is make]
    route.endpoint = make_in_turn  # type: ignore[attr-defined]


class _InTurn:
    """A database whose transactions begin as writers; PostgreSQL's do not care."""

    def __init__(self, database: PrefectDBInterface) -> None:
        self._database = database

    def session_context(self, *, begin_transaction: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.session_context(begin_transaction, with_for_update=begin_transaction)


def collect_for_ever() -> None:
    """Collect young garbage every second, all of it every minute."""
    looks = 0
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        looks += 1
        gc.collect(2 if looks % _LOOKS_BETWEEN_FULL_ONES == 0 else 1)


if __name__ == "__main__":
    find_application_at_once()
    let_triggers_take_turns()
    let_new_runs_take_turns()
    gc.disable()
    threading.Thread(target=collect_for_ever, name="garbage", daemon=True).start()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
