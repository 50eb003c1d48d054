"""The probes and the metrics of a fast worker; Prefect's own probe is that of `--with-healthcheck`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.settings import get_current_settings

from labelyard.operations.metrics_server import serving_worker
from labelyard.orchestration.worker_failures import ToleratesApiFailures
from labelyard.settings import load_settings


@contextmanager
def serving_probes(worker: ToleratesApiFailures, runs: Callable[[], int]) -> Iterator[None]:
    """Serve /healthz, /readyz and /metrics if LABELYARD_METRICS__WORKER_PORT is set; `runs` counts the running ones.

    The worker is alive while it asks for runs regularly, whatever the answer: who restarts it would end its runs. It is
    ready while it takes runs. Raises SettingsError.
    """

    def health() -> dict[str, bool]:
        seconds = get_current_settings().worker.query_seconds
        return {"alive": worker.is_worker_still_polling(query_interval_seconds=seconds), "ready": worker.is_ready()}

    with serving_worker(load_settings(), runs, health):
        yield
