"""The worker threads behind the web server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

log = logging.getLogger(__name__)

Job = Callable[[], None]


class WorkerPool:
    """Runs jobs on `count` threads, in the order in which they were submitted."""

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="sandbox-worker")
        self._jobs: set[Future[None]] = set()

    def submit(self, job: Job) -> None:
        """Add a job at the end of the queue."""
        future = self._executor.submit(_run, job)
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)

    def stop(self, timeout: float = 5.0) -> bool:
        """Drop the queued jobs and wait for the running ones; return whether they ended within `timeout` seconds."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        return not wait(set(self._jobs), timeout).not_done


def _run(job: Job) -> None:
    try:
        job()
    except Exception:
        log.exception("a job of a sandbox worker failed")
