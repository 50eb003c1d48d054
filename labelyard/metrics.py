"""The metrics: one table of all of them, and the counters of this process.

Prometheus' own library, because Prefect requires it already and its users have a Prometheus: nothing new is installed,
and no collector has to run beside labelyard. An OpenTelemetry collector scrapes the same address.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
"""The metrics of this process. It is not Prometheus' own, which holds those of Prefect."""
ProcessCollector(registry=REGISTRY)  # process_cpu_seconds_total, process_resident_memory_bytes, …


class Kind(StrEnum):
    """The type of a metric in Prometheus."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Origin(StrEnum):
    """Where the values of a metric are from."""

    LEDGER = "ledger"
    """Read from the ledger at each scrape: every process says the same."""
    HISTORY = "history"
    """Counted from the ledger's history since this process started: every process that runs as long says the same."""
    PROCESS = "process"
    """What this process did or saw itself."""


@dataclass(frozen=True)
class Metric:
    """A metric: its name, what it says, its labels. The name of a counter ends with `_total`, as Prometheus wants."""

    name: str
    kind: Kind
    origin: Origin
    about: str
    labels: tuple[str, ...] = ()


def _ledger(name: str, about: str, *labels: str) -> Metric:
    return Metric(f"labelyard_{name}", Kind.GAUGE, Origin.LEDGER, about, labels)


def _history(name: str, about: str, *labels: str) -> Metric:
    return Metric(f"labelyard_{name}_total", Kind.COUNTER, Origin.HISTORY, about, labels)


def _process(name: str, kind: Kind, about: str, *labels: str) -> Metric:
    return Metric(f"labelyard_{name}", kind, Origin.PROCESS, about, labels)


LEDGER_UP = _ledger("ledger_up", "1 if the ledger answered this scrape; if not, all other metrics of it are missing.")
BATCHES = _ledger("batches", "Batches of all datasets by state.", "state")
UNFINISHED_BATCHES = _ledger("unfinished_batches", "Batches that are not exported yet.", "dataset", "state")
UNFINISHED_OBJECTS = _ledger("unfinished_objects", "Objects of these batches.", "dataset", "state")
OLDEST_BATCH = _ledger(
    "oldest_unfinished_batch_seconds",
    "How long the batch that has been in its state for longest is in it, in seconds.",
    "dataset",
    "state",
)
LEASED_BATCHES = _ledger("leased_batches", "Batches that a run works on now.", "dataset")
BATCHES_WITH_ERROR = _ledger(
    "batches_with_error", "Unfinished batches with an error: tried again later, or failed.", "dataset"
)
DATASET_PAUSED = _ledger("dataset_paused", "1 if the dataset is paused.", "dataset")
DEAD_LETTERS = _ledger("dead_letters", "Messages that could not be parsed or registered, and wait for a person.")
OLDEST_DEAD_LETTER = _ledger("oldest_dead_letter_seconds", "How long the oldest of them waits, in seconds.")
UNPUBLISHED_EVENTS = _ledger("unpublished_events", "Events in the outbox that Prefect does not have yet.")
OLDEST_EVENT = _ledger("oldest_unpublished_event_seconds", "How long the oldest of them waits, in seconds.")
SERVER_UP = _ledger(
    "server_up",
    "0 while a server is known to be unavailable: `CVAT NAME` with its name in the settings, `object storage`, `queue`,"
    " `Prefect`.",
    "server",
)

REGISTERED = _history("objects_registered", "Objects registered in a batch.", "dataset")
QUARANTINED = _history("objects_quarantined", "Objects quarantined.", "dataset")
TRANSITIONS = _history("batch_transitions", "Batches that reached a state.", "dataset", "state")
RETRIES = _history("retries", "Failures of runs after which the batch is tried again.", "dataset")
NOT_STARTED = _history("runs_not_started", "Runs that Prefect could not start.", "dataset")
TASKS_ABANDONED = _history("tasks_abandoned", "CVAT tasks that were given up, to create another one.", "dataset")
LEASES_LOST = _history("leases_lost", "Leases that expired before their holder released them.", "dataset")
STEP_SECONDS = Metric(
    "labelyard_step_seconds",
    Kind.HISTOGRAM,
    Origin.HISTORY,
    "How long a batch took for a step, waiting for a run and retries included, in seconds.",
    ("dataset", "step"),
)

QUEUE_MESSAGES = _process(
    "queue_messages", Kind.GAUGE, "Messages in the queue of notifications, as the queue estimates.", "state"
)
QUEUE_OLDEST = _process(
    "queue_oldest_message_seconds", Kind.GAUGE, "Age of the oldest message last received, in seconds."
)
WATCHER_FAILING = _process(
    "watcher_failing", Kind.GAUGE, "1 while an activity of the watcher fails and is tried again.", "activity"
)
EVENTS_WAITING = _process(
    "prefect_events_waiting",
    Kind.GAUGE,
    "Events that wait in the Redis of Prefect's servers (PREFECT_REDIS_MESSAGING_URL), by consumer; of the watcher.",
    "consumer",
)
WORKER_RUNS = _process("worker_runs", Kind.GAUGE, "Flow runs that this worker executes now.")
CVAT_RESPONSES = _process(
    "cvat_responses_total",
    Kind.COUNTER,
    "Responses of a CVAT (its address) by class (2xx, …; none: no response).",
    "server",
    "method",
    "status",
)
CVAT_SECONDS = _process(
    "cvat_request_seconds", Kind.HISTOGRAM, "Length of requests to a CVAT (its address), in seconds.", "server"
)
STORE_RESPONSES = _process(
    "store_responses_total",
    Kind.COUNTER,
    "Responses of object storage (s3) and of the queue (its type, such as sqs) by class; none: no response.",
    "service",
    "status",
)

METRICS = tuple(found for found in vars().values() if isinstance(found, Metric))
"""Every metric, in the order of the documentation."""

STEP_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 8 * 3600, 86400, 3 * 86400, 7 * 86400)
"""From what a machine takes to what people take."""


def new_counter(metric: Metric, registry: CollectorRegistry = REGISTRY) -> Counter:
    """Return a counter with the metric's name and labels."""
    return Counter(metric.name, metric.about, metric.labels, registry=registry)


def new_histogram(
    metric: Metric, buckets: tuple[float, ...] = Histogram.DEFAULT_BUCKETS, registry: CollectorRegistry = REGISTRY
) -> Histogram:
    """Return a histogram with the metric's name and labels."""
    return Histogram(metric.name, metric.about, metric.labels, buckets=buckets, registry=registry)


_cvat_responses = new_counter(CVAT_RESPONSES)
_cvat_seconds = new_histogram(CVAT_SECONDS)
_store_responses = new_counter(STORE_RESPONSES)


def count_cvat_response(server: str, method: str, status: int | None, seconds: float) -> None:
    """Count a response of a CVAT, None for a request without one."""
    _cvat_responses.labels(server, method, status_class(status)).inc()
    _cvat_seconds.labels(server).observe(seconds)


def count_store_response(service: str, status: int | None) -> None:
    """Count a response of object storage or of the queue, None for a request without one."""
    _store_responses.labels(service, status_class(status)).inc()


def status_class(status: int | None) -> str:
    """Return the class of an HTTP status: 2xx."""
    return f"{status // 100}xx" if status else "none"
