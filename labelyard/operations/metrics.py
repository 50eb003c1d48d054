"""The metrics of a process in Prometheus' text format: of the ledger, read at each scrape, and its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from labelyard import metrics
from labelyard.domain.states import BatchState
from labelyard.domain.step_durations import states_reached
from labelyard.errors import LabelyardError, redact
from labelyard.ledger import Ledger, breakers
from labelyard.ledger.leases import LEASE_EXPIRED
from labelyard.ledger.measures import Measures, Unfinished, read_measures
from labelyard.ledger.new_history import NewEntry, NewHistory, states_of
from labelyard.metrics import Metric

_log = logging.getLogger(__name__)
Sample = tuple[Metric, tuple[str, ...], float]
"""A value of a metric, with the values of its labels."""
_OBJECTS: Mapping[str, Metric] = {"registered": metrics.REGISTERED, "quarantined": metrics.QUARANTINED}
"""The history's words for what happened to an object."""
_BATCHES: Mapping[str, Metric] = {
    "postponed": metrics.RETRIES,
    "not started": metrics.NOT_STARTED,
    "abandoned": metrics.TASKS_ABANDONED,
    LEASE_EXPIRED: metrics.LEASES_LOST,
}
"""The same for what happened to a batch."""
_STATES = {state.value for state in BatchState}


class Exporter:
    """What answers a scrape. Each part of `of_process` yields samples that this process alone knows."""

    def __init__(self, ledger: Callable[[], Ledger], *of_process: Callable[[], Iterable[Sample]]) -> None:
        self._open, self._of_process = ledger, of_process
        self._ledger: Ledger | None = None
        self._history, self._lock = NewHistory(), Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._counters = {
            one: metrics.new_counter(one, self._registry)
            for one in (*_OBJECTS.values(), *_BATCHES.values(), metrics.TRANSITIONS)
        }
        self._steps = metrics.new_histogram(metrics.STEP_SECONDS, metrics.STEP_BUCKETS, self._registry)
        self._read()

    def text(self) -> bytes:
        """Return all metrics; without those of the ledger, and LEDGER_UP 0, if it does not answer."""
        with self._lock:  # two scrapes at once would count the same entries
            measures = self._read()
            counted = generate_latest(self._registry)
        gauges = _Families([*_of_ledger(measures), *self._samples_of_process()])
        return generate_latest(gauges) + counted + generate_latest(metrics.REGISTRY)

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()

    def _samples_of_process(self) -> Iterator[Sample]:
        for part in self._of_process:
            try:
                samples = list(part())
            except Exception as error:  # noqa: BLE001 - one part takes no other with it
                _log.warning("some metrics of this process are missing: %s", error, exc_info=error)
            else:
                yield from samples

    def _read(self) -> Measures | None:
        try:
            self._ledger = self._ledger or self._open()
            with self._ledger.read_only() as tx:
                entries = self._history.read(tx)
                reached = [one for one in entries if not one.of_object and one.batch and one.what in _STATES]
                states = states_of(tx, {one.batch for one in reached if one.batch}) if reached else []
                measures = read_measures(tx)
        except (LabelyardError, SQLAlchemyError) as error:  # also what the ledger does not translate
            _log.warning("the metrics of the ledger could not be read: %s", redact(str(error)).partition("\n")[0])
            return None
        self._history.advance()  # only now: after a failure the next scrape counts the same entries
        for entry in entries:
            self._count(entry)
        datasets = {one.batch: one.dataset for one in reached}
        for one in states_reached(states, {entry.id for entry in reached}):
            self._counters[metrics.TRANSITIONS].labels(datasets[one.batch], one.state).inc()
            if one.step:
                self._steps.labels(datasets[one.batch], one.step).observe(one.seconds)
        return measures

    def _count(self, entry: NewEntry) -> None:
        metric = (_OBJECTS if entry.of_object else _BATCHES).get(entry.what)
        if metric is not None:
            self._counters[metric].labels(entry.dataset).inc()


class _Families:
    """The samples of one scrape as Prometheus' library wants them: a registry whose metrics are gauges."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._families: dict[Metric, GaugeMetricFamily] = {}
        for metric, labels, value in samples:
            family = self._families.get(metric)
            if family is None:
                family = self._families[metric] = GaugeMetricFamily(metric.name, metric.about, labels=metric.labels)
            family.add_metric(labels, value)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each metric with its samples."""
        yield from self._families.values()


def _of_ledger(measures: Measures | None) -> Iterator[Sample]:
    yield metrics.LEDGER_UP, (), float(measures is not None)
    if measures is None:
        return
    for state in BatchState:
        yield metrics.BATCHES, (state,), measures.states.get(state, 0)
    for dataset, is_paused in measures.paused.items():
        yield metrics.DATASET_PAUSED, (dataset,), float(is_paused)
    for one in measures.unfinished:
        labels = (one.dataset, one.state.value)
        yield metrics.UNFINISHED_BATCHES, labels, one.batches
        yield metrics.UNFINISHED_OBJECTS, labels, one.objects
        yield metrics.OLDEST_BATCH, labels, max(0.0, (measures.at - one.since).total_seconds())
    yield from _by_dataset(metrics.LEASED_BATCHES, measures, lambda one: one.leased)
    yield from _by_dataset(metrics.BATCHES_WITH_ERROR, measures, lambda one: one.with_error)
    for metric, oldest, count, since in (
        (metrics.DEAD_LETTERS, metrics.OLDEST_DEAD_LETTER, measures.dead_letters, measures.dead_letters_since),
        (metrics.UNPUBLISHED_EVENTS, metrics.OLDEST_EVENT, measures.unpublished, measures.unpublished_since),
    ):
        yield metric, (), count
        yield oldest, (), max(0.0, (measures.at - since).total_seconds()) if since else 0.0
    for server, is_up in measures.servers.items():
        yield metrics.SERVER_UP, (breakers.server_label(server),), float(is_up)


def _by_dataset(metric: Metric, measures: Measures, count: Callable[[Unfinished], int]) -> Iterator[Sample]:
    totals = dict.fromkeys((*measures.paused, *(one.dataset for one in measures.unfinished)), 0)
    for one in measures.unfinished:
        totals[one.dataset] += count(one)
    yield from ((metric, (dataset,), float(total)) for dataset, total in totals.items())
