"""From the put of a single file to its task: labelyard's worker, and Prefect's process worker in the same run.

Every file closes a batch (max_objects: 1) and is put when the job of the file before it has an assignee: measured is
how long a file takes, not how long it queues behind others. Everything is real: emulator, sandbox, Prefect's server,
watcher and worker, as `labelyard up` starts them. For the second half the worker is replaced, and nothing else.

    python benchmarks/latency.py [--files 30] [--process-worker-files 10] [--pause 2] [--json FILE]
"""

from __future__ import annotations

import itertools
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
from full_stack import BUCKET, BenchmarkStack, labelyard_up
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import select

from labelyard.demo.photographs import photographs
from labelyard.domain.states import BatchState
from labelyard.ledger import tables

LABELYARD, PROCESS = "labelyard", "process"
_TIMEOUT_SECONDS = 180.0
_UNTIL = {
    "registered": "the object's row is committed",
    "closed": "its batch closes",
    "published": "Prefect has accepted the event",
    "run": "the flow run exists",
    "pending": "a worker has picked it up",
    "running": "the flow begins",
    "task": "the task exists",
    "ready": "the task shows the frame",
    "assigned": "its job has an assignee",
}
"""The moments between a put and an assigned job, in order."""
_SHOWN = ("task", "ready", "assigned")


@dataclass(frozen=True)
class Timeline:
    """When a file was put, and the moments that followed."""

    key: str
    put: datetime
    moments: Mapping[str, datetime]

    def seconds(self, moment: str) -> float:
        """Return the seconds from just before the put."""
        return (self.moments[moment] - self.put).total_seconds()


@click.command()
@click.option("--files", default=30, show_default=True, help="Single files for labelyard's worker.")
@click.option(
    "--process-worker-files",
    default=10,
    show_default=True,
    help="Single files for Prefect's process worker, which takes far longer; 0: none.",
)
@click.option("--pause", default=2.0, show_default=True, help="The longest pause between two files, in seconds.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, files: int, process_worker_files: int, pause: float, to: Path | None) -> None:
    """Measure, and print a table."""
    console, to = Console(), to and to.absolute()
    with Progress(console=console, transient=True) as progress, labelyard_up({"max_objects": 1}) as stack:
        timelines_by_worker = {LABELYARD: list(_put_all(stack, LABELYARD, files, pause, progress))}
        if process_worker_files:
            stack.use_process_worker()
            timelines_by_worker[PROCESS] = list(_put_all(stack, PROCESS, process_worker_files, pause, progress))
    result = summary(timelines_by_worker, pause)
    show(console, result)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")


def _put_all(stack: BenchmarkStack, worker: str, files: int, pause: float, progress: Progress) -> Iterator[Timeline]:
    """Put one file after the other, each when the job of the one before has an assignee."""
    bar, pauses = progress.add_task(worker, total=files + 1), random.Random(1)
    put: dict[str, datetime] = {}
    bodies = [photograph.path.read_bytes() for photograph in photographs().values()]
    # The first file compiles SQL statements, loads flows and logs in; labelyard runs for weeks.
    warm = f"in/{worker}-warm.jpg"
    _put(stack, warm, bodies[0])
    _wait(stack, warm)
    progress.advance(bar)
    for number, body in enumerate(itertools.islice(itertools.cycle(bodies), files)):
        key = f"in/{worker}-{number:04d}.jpg"
        _pause(stack, pauses.uniform(0, pause))  # not in step with any polling
        put[key] = _put(stack, key, body)
        _wait(stack, key)
        progress.advance(bar)
    yield from timelines(stack, put)


def _put(stack: BenchmarkStack, key: str, body: bytes) -> datetime:
    at = datetime.now(UTC)
    stack.s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="image/jpeg")
    return at


def _pause(stack: BenchmarkStack, seconds: float) -> None:
    end = time.monotonic() + seconds
    stack.supervisor.watch(lambda: time.monotonic() >= end)


def _wait(stack: BenchmarkStack, key: str) -> None:
    end = time.monotonic() + _TIMEOUT_SECONDS
    query = (
        select(tables.Batch.state)
        .join(tables.Object, tables.Batch.id == tables.Object.batch_id)
        .where(tables.Object.key == key)
    )
    while True:
        with stack.ledger.read_only() as tx:
            if tx.scalar(query) is BatchState.ASSIGNED:
                return
        if time.monotonic() > end:
            raise click.ClickException(f"{key} has no task after {_TIMEOUT_SECONDS:g} s")
        _pause(stack, 0.1)


def timelines(stack: BenchmarkStack, put: Mapping[str, datetime]) -> list[Timeline]:
    """Return when each moment happened, as recorded by the ledger, Prefect and CVAT."""
    runs, made = runs_by_batch(stack, "ingest"), _tasks_made(stack)
    found = []
    with stack.ledger.read_only() as tx:
        for key, at in put.items():
            batch_id = tx.scalars(select(tables.Object.batch_id).where(tables.Object.key == key)).one() or ""
            entries = tx.scalars(select(tables.History).where(tables.History.batch_id == batch_id))
            moments = {entry.what: entry.at for entry in entries if entry.what in _UNTIL}
            outbox = select(tables.OutboxEvent).where(tables.OutboxEvent.batch_id == batch_id)
            published = tx.scalars(outbox.order_by(tables.OutboxEvent.id)).first()
            task = tx.scalars(select(tables.Task).where(tables.Task.batch_id == batch_id)).one()
            if published is not None and published.published_at is not None:
                moments["published"] = published.published_at
            found.append(Timeline(key, at, {**moments, **runs[batch_id], "task": made[task.server_id or 0]}))
    return found


def runs_by_batch(stack: BenchmarkStack, tag: str) -> dict[str, dict[str, datetime]]:
    """Return by batch when its run with a tag was created, picked up and started."""
    found, page = {}, 200
    body = {"limit": page, "flow_runs": {"tags": {"all_": [tag]}}, "sort": "START_TIME_ASC"}
    with httpx.Client(base_url=stack.links.prefect_api, timeout=60) as api:
        for offset in itertools.count(0, page):
            runs = api.post("/flow_runs/filter", json=body | {"offset": offset}).raise_for_status().json()
            for run in runs:
                states = api.get("/flow_run_states/", params={"flow_run_id": run["id"]}).raise_for_status().json()
                times = {state["type"]: _time(state["timestamp"]) for state in reversed(states)}
                found[run["parameters"]["batch"]] = {
                    "run": _time(run["created"]),
                    "pending": times["PENDING"],
                    "running": times["RUNNING"],
                }
            if len(runs) < page:
                break
    return found


def _tasks_made(stack: BenchmarkStack) -> dict[int, datetime]:
    """Return when CVAT created each task."""
    cvat = stack.cvat()
    return {task.id: _time(task.created) for task in cvat.tasks()}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def summary(timelines_by_worker: Mapping[str, Sequence[Timeline]], pause: float) -> dict[str, Any]:
    """Return, for each worker, quantiles of the whole time and the medians of its moments."""
    return {
        "files": {worker: len(found) for worker, found in timelines_by_worker.items()},
        "pause_seconds": pause,
        "workers": {
            worker: {
                "put_to": {moment: _quantiles([timeline.seconds(moment) for timeline in found]) for moment in _SHOWN},
                "median_seconds_at": {
                    moment: round(statistics.median(timeline.seconds(moment) for timeline in found), 3)
                    for moment in _UNTIL
                },
            }
            for worker, found in timelines_by_worker.items()
        },
        "load": round(os.getloadavg()[0], 1),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(seconds), 2)}


def show(console: Console, result: Mapping[str, Any]) -> None:
    """Print the figures, and where the time goes."""
    workers = result["workers"]
    table = Table(
        "from the put to", *(f"{worker} {name}" for worker in workers for name in ("p50", "p99")), "p50s' ratio"
    )
    for moment in _SHOWN:
        quantiles = [workers[worker]["put_to"][moment] for worker in workers]
        ratio = quantiles[-1]["p50"] / quantiles[0]["p50"]
        table.add_row(moment, *(f"{q[name]:.2f} s" for q in quantiles for name in ("p50", "p99")), f"{ratio:.1f}")
    console.print(table)
    split = Table("median seconds until", *workers, "what")
    for moment, what in _UNTIL.items():
        split.add_row(moment, *(f"{one['median_seconds_at'][moment]:.2f}" for one in workers.values()), what)
    console.print(split)
    console.print(f"{result['files']} files, one at a time; load {result['load']}")


if __name__ == "__main__":
    main()
