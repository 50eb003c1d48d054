"""The address at which a process serves probes and metrics, if the settings want one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress

from labelyard import metrics
from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.ledger import Ledger
from labelyard.operations.event_lag import read_event_lag
from labelyard.operations.metrics import Exporter, Sample
from labelyard.settings import Settings
from labelyard.sources.health import Health, serve_metrics
from labelyard.sources.watcher import Watcher


@contextmanager
def serving_watcher(settings: Settings, watcher: Watcher) -> Iterator[str | None]:
    """Serve the watcher's probes and metrics; yield the address, None without a port. Raises SettingsError."""
    port = settings.metrics.watcher_port
    parts = (lambda: of_watcher(watcher), lambda: of_events(settings))
    with _serving(settings, port, "LABELYARD_METRICS__WATCHER_PORT", watcher.health, *parts) as address:
        yield address


@contextmanager
def serving_worker(settings: Settings, runs: Callable[[], int], health: Health) -> Iterator[str | None]:
    """Serve a worker's probes and metrics; yield the address, None without a port. Raises SettingsError."""

    def of_worker() -> Iterator[Sample]:
        yield metrics.WORKER_RUNS, (), float(runs())

    port = settings.metrics.worker_port
    with _serving(settings, port, "LABELYARD_METRICS__WORKER_PORT", health, of_worker) as address:
        yield address


def of_watcher(watcher: Watcher) -> Iterator[Sample]:
    """Yield what a watcher knows of its queue and of itself."""
    queue = watcher.health()["queue"] or {}
    for state in ("waiting", "in_flight"):
        if queue.get(state) is not None:
            yield metrics.QUEUE_MESSAGES, (state,), queue[state]
    if queue:
        yield metrics.QUEUE_OLDEST, (), queue["oldest_seconds"] or 0.0
    for activity, is_failing in watcher.activities().items():
        yield metrics.WATCHER_FAILING, (activity,), float(is_failing)


def of_events(settings: Settings) -> Iterator[Sample]:
    """Yield how many events wait in the Redis of Prefect's servers, nothing if it does not answer."""
    with suppress(PrefectUnreachable, SettingsError):  # a missing metric says so, and `labelyard doctor` why
        for consumer, waiting in read_event_lag(settings).items():
            yield metrics.EVENTS_WAITING, (consumer,), float(waiting)


@contextmanager
def _serving(
    settings: Settings, port: int | None, variable: str, health: Health, *of_process: Callable[[], Iterable[Sample]]
) -> Iterator[str | None]:
    if port is None:
        yield None
        return
    with (
        closing(Exporter(lambda: Ledger(settings.ledger), *of_process)) as exporter,
        serve_metrics(health, exporter.text, settings.metrics.host, port, variable) as address,
    ):
        yield address
