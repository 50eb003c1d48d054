"""docs/metrics.md: the metrics, from the table of the code."""

from __future__ import annotations

from labelyard.domain.step_durations import STEPS
from labelyard.metrics import METRICS, STEP_BUCKETS, Origin

_HEADINGS = {
    Origin.LEDGER: "Of the ledger",
    Origin.HISTORY: "Of the ledger's history",
    Origin.PROCESS: "Of the process itself",
}
_ABOUT = {
    Origin.LEDGER: """\
Read at each scrape, with the functions that `labelyard status` uses: every process says the same. With several watchers
and workers take one of them, by the labels of the table: `max by (dataset, state) (…)`, never `sum`. `max without
(instance, job)` keeps the labels that Kubernetes adds (`pod`, `container`), so each process would count.""",
    Origin.HISTORY: """\
What flow runs did. They may be processes of a few seconds, which nothing can scrape in time. So they are counted from
the ledger's history by every process that is scraped, from its start on, and each counts all of it:
`max by (dataset) (rate(…[5m]))`; with `le` among the labels for a histogram.""",
    Origin.PROCESS: """\
What this watcher or fast worker did itself: here `sum` is right for counters and `labelyard_worker_runs`; all watchers
see the same queue and the same events. The flow runs of Prefect's own process worker are short processes; their
requests are in no metric.""",
}
_INTRODUCTION = """\
# Probes, metrics and logs

{generated}
Everything here is off, or local, until a setting says otherwise:

```
LABELYARD_METRICS__HOST=0.0.0.0        # the default is 127.0.0.1
LABELYARD_METRICS__WATCHER_PORT=9479   # labelyard watch
LABELYARD_METRICS__WORKER_PORT=9480    # a worker of type labelyard; a second one on the same host needs another
LABELYARD_LOG_FORMAT=json
```

## Probes

| path | 200 | 503 |
|---|---|---|
| `/healthz` | the process works | it hangs and must be started again |
| `/readyz` | it does its work | it starts or stops, or what it needs does not answer |
| `/metrics` | metrics in Prometheus' text format | never; without a ledger `labelyard_ledger_up` is 0 |

A watcher hangs when one of its threads gave no sign of life for three minutes; it is ready when the ledger answers and
the queue has answered once. A worker is alive as Prefect's own probe sees it: it asks for runs regularly. It is ready
when Prefect has answered once.

They need no token, say nothing about buckets and servers, and listen at `LABELYARD_METRICS__HOST`, so that probes and
Prometheus on other hosts reach them while stores and CVAT reach only the webhooks. The watcher has both probes at
`LABELYARD_WATCH__PORT` too, there with the reasons; `labelyard doctor` reads them.

A worker of any type has Prefect's own probe: `prefect worker start … --with-healthcheck` answers `/health` at
`PREFECT_WORKER_WEBSERVER_PORT` (8080).

**The end of a watcher.** At SIGTERM it handles what it has received, for six seconds at most, and returns all other
messages to the queue: their visibility becomes 0, so another watcher gets them at once. It ends within ten seconds, in
whatever call it hangs.

## Logs

`LABELYARD_LOG_FORMAT=json` makes `labelyard watch` write one JSON object a line:

```json
{{"time": "2026-11-30T09:15:02.117+00:00", "level": "INFO", "logger": "labelyard.pipeline.close_batches",
 "message": "street-00004 closed with 10 objects: quiet for 30 s", "dataset": "street", "batch": "street-00004"}}
```

(here on two lines). Workers and Prefect's servers write Prefect's log, which becomes JSON by Prefect's own settings.
The second one gives their lines the form of the watcher's, with a `flow_run_id` where Prefect knows it; without it they
have all attributes of Python's log records, and the same fields:

```
PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER=json
PREFECT_LOGGING_FORMATTERS_JSON_CLASS=labelyard.log_records.JsonFormatter
```

| field | meaning |
|---|---|
| `dataset`, `batch` | what the line is about |
| `object` | the id of the object that it is about, as the ledger has it |
| `objects` | the ids of the objects that were registered together |
| `flow_run_id` | Prefect's id of the run |

**To follow one object** take the id of its batch. From its registration on an object is in one batch, and each later
step is done for the batch as a whole. `labelyard why s3://BUCKET/KEY` prints the batch, and the object's history from
its notification to its export. In the logs, the line of its registration has its id among the `objects`. All others
have the batch, and so have the parameters of Prefect's runs, events, and the names of CVAT tasks. There is no trace id
beside it: it would be a second name for the batch, whose work takes days and is done by many runs.

## Metrics

With [Prometheus' client](https://prometheus.github.io/client_python/), which Prefect requires already; an OpenTelemetry
collector scrapes the same address (receiver `prometheus`). A dashboard for Grafana is in
[deployments/grafana-dashboard.json](../deployments/grafana-dashboard.json); Prefect's own metrics are at its server's
`/api/metrics` (`PREFECT_SERVER_METRICS_ENABLED=true`).
"""
_STEPS = """
The steps of `labelyard_step_seconds` are {steps}.
`create_task` begins when the batch is closed, so the wait for a run is part of it; `annotate` is the work of people.
The upper bounds of the buckets are {buckets} seconds.
"""


def metrics(generated: str) -> str:
    """Return docs/metrics.md."""
    parts = [_INTRODUCTION.format(generated=generated)]
    for origin, heading in _HEADINGS.items():
        rows = [
            f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or '-'} | {one.about} |"
            for one in METRICS
            if one.origin is origin
        ]
        table = "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])
        parts.append(f"\n### {heading}\n\n{_ABOUT[origin]}\n\n{table}\n")
        if origin is Origin.HISTORY:
            steps = ", ".join(f"`{step}`" for step in STEPS.values())
            parts.append(_STEPS.format(steps=steps, buckets=", ".join(map(str, STEP_BUCKETS))))
    return "".join(parts)
