"""A watcher or worker says in the ledger that it runs, for `labelyard doctor --cluster` and `labelyard deploy`."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import labelyard
from labelyard.ledger import Ledger, processes
from labelyard.settings import Settings

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_SIGNS = 30.0
_SECONDS_TO_END = 0.4


@contextmanager
def showing_life(settings: Settings, kind: str, prefect: str | None = None) -> Iterator[None]:
    """Record from a thread that this process runs, and at the end that it does not.

    A ledger that does not answer, or is too new, is no reason to stop: others report it.
    """
    ending = threading.Event()
    name = f"{socket.gethostname()}:{os.getpid()}"

    def work() -> None:
        while True:
            ended = ending.is_set()
            try:
                _record(settings, name, kind, prefect, ended=ended)
            except Exception as error:  # noqa: BLE001 - as above
                _log.debug("the ledger does not know that this process runs: %s: %s", type(error).__name__, error)
            if ended:
                return
            ending.wait(_SECONDS_BETWEEN_SIGNS)

    thread = threading.Thread(target=work, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(_SECONDS_TO_END)


def _record(settings: Settings, name: str, kind: str, prefect: str | None, *, ended: bool) -> None:
    ledger = Ledger(settings.ledger)  # not kept open: a connection for a statement every half minute
    try:
        with ledger.transaction() as tx:
            if ended:
                processes.end(tx, name)
                return
            ahead = clock_seconds(time.time(), tx.now, time.time())
            processes.show(tx, name, kind=kind, version=labelyard.__version__, prefect=prefect, clock_seconds=ahead)
    finally:
        ledger.close()


def clock_seconds(asked: float, database: datetime, answered: float) -> float:
    """Return by how much this clock is ahead of the database's, 0 within the time that asking it took."""
    at = database.astimezone(UTC).timestamp()
    if asked <= at <= answered:
        return 0.0
    return asked - at if asked > at else answered - at
