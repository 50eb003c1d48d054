"""A worker that is asked to stop: it ends its process after thirteen seconds in any case."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS_UNTIL_THE_END = 13.0


@contextmanager
def cancelled_by_signals() -> Iterator[None]:
    """Cancel the current task at the first SIGTERM or SIGINT, and end the process thirteen seconds later in any case.

    Prefect's command turns SIGTERM into SIGINT, and a shell without a terminal makes its background jobs ignore SIGINT.
    At its end Prefect waits without a limit until all logs and events are sent. The runs are given back before that.
    """
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, asked = asyncio.get_running_loop(), task

    def stop() -> None:
        asked.cancel()
        end = threading.Timer(_SECONDS_UNTIL_THE_END, os._exit, [0])
        end.daemon = True
        end.start()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    try:
        yield
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
