"""The workers behind the web server: a queue, and a few threads that take from it in order."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Work = Callable[[], None]


class Workers:
    """`count` threads that do one piece of work after the other."""

    def __init__(self, count: int) -> None:
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"sandbox-worker-{n}", daemon=True) for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, work: Work) -> None:
        """Add work at the end of the queue."""
        self._queue.put(work)

    def stop(self, patience: float = 5.0) -> None:
        """End after the work in hand; what is queued stays undone."""
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(patience)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:
                log.exception("a worker's job broke")
