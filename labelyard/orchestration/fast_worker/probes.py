"""The probes and the metrics of a fast worker; Prefect's own probe is that of `--with-healthcheck`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prefect.settings import get_current_settings
from prefect.workers.base import BaseWorker

from labelyard.operations.metrics_server import serving_worker
from labelyard.settings import load_settings


@contextmanager
def serving_probes(worker: BaseWorker[Any, Any, Any], runs: Callable[[], int]) -> Iterator[None]:
    """Serve /healthz, /readyz and /metrics if LABELYARD_METRICS__WORKER_PORT is set; `runs` counts the running ones.

    The worker is alive as Prefect sees it: it asks for runs regularly. It is ready once Prefect has answered. Raises
    SettingsError.
    """
    at_start = worker._last_polled_time  # noqa: SLF001 - what `is_worker_still_polling` reads

    def health() -> dict[str, bool]:
        seconds = get_current_settings().worker.query_seconds
        ready = worker._last_polled_time != at_start  # noqa: SLF001
        return {"alive": worker.is_worker_still_polling(query_interval_seconds=seconds), "ready": ready}

    with serving_worker(load_settings(), runs, health):
        yield
