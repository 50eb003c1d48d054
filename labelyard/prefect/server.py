"""`python -m labelyard.prefect.server …`: Prefect's own command, without two things that make its event loop stand.

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

from prefect.server.api import server

_SECONDS_BETWEEN_LOOKS = 1.0
_LOOKS_BETWEEN_FULL_ONES = 60


def find_application_at_once() -> None:
    """Remember the server's application, whatever is asked for."""
    server.create_app = functools.cache(server.create_app)


def collect_for_ever() -> None:
    """Collect young garbage every second, all of it every minute."""
    looks = 0
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        looks += 1
        gc.collect(2 if looks % _LOOKS_BETWEEN_FULL_ONES == 0 else 1)


if __name__ == "__main__":
    find_application_at_once()
    gc.disable()
    threading.Thread(target=collect_for_ever, name="garbage", daemon=True).start()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
