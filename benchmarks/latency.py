"""From the put of a single file to its task: our worker, and the stock process worker in the same run.

Every file closes a batch (max_objects: 1), and is put when the one before lies with a person: what is measured is how
long a file takes, not how long it queues behind others. Everything is real: emulator, sandbox, Prefect's server,
watcher, worker, as `labelyard up` starts them. After the first half the worker is exchanged; all else goes on.

    python benchmarks/latency.py [--files 30] [--stock-files 10] [--pause 2] [--json FILE]
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
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from running import BUCKET, Running, labelyard_up
from sqlalchemy import select

from labelyard.demo.photographs import photographs
from labelyard.domain.states import BatchState
from labelyard.ledger import tables

OURS, THEIRS = "labelyard", "process"
_LONGEST_SECONDS = 180.0
_UNTIL = {
    "landed": "the object's row is committed",
    "closed": "its batch closes",
    "announced": "Prefect's yes to the event",
    "run": "the flow run exists",
    "pending": "a worker has taken it",
    "running": "the flow begins",
    "task": "the task exists",
    "ready": "it shows the frame",
    "assigned": "its job lies with a person",
}
"""The moments of a file's way, in their order."""
_SHOWN = ("task", "ready", "assigned")


@dataclass(frozen=True)
class Way:
    """When a file was put, and the moments that followed."""

    key: str
    put: datetime
    moments: Mapping[str, datetime]

    def seconds(self, moment: str) -> float:
        """From just before the put."""
        return (self.moments[moment] - self.put).total_seconds()


@click.command()
@click.option("--files", default=30, show_default=True, help="Single files for our worker.")
@click.option(
    "--stock-files", default=10, show_default=True, help="For the stock worker, which takes far longer; 0: none."
)
@click.option("--pause", default=2.0, show_default=True, help="The longest rest between two files, in seconds.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, files: int, stock_files: int, pause: float, to: Path | None) -> None:
    """Measure, and show a table."""
    console, to = Console(), to and to.absolute()
    with Progress(console=console, transient=True) as progress, labelyard_up({"max_objects": 1}) as running:
        ways = {OURS: list(_put_all(running, OURS, files, pause, progress))}
        if stock_files:
            running.take_stock_worker()
            ways[THEIRS] = list(_put_all(running, THEIRS, stock_files, pause, progress))
    told = summary(ways, pause)
    show(console, told)
    if to is not None:
        to.write_text(json.dumps(told, indent=1) + "\n")


def _put_all(running: Running, worker: str, files: int, pause: float, progress: Progress) -> Iterator[Way]:
    """Put one file after the other, each when the former's job lies with a person."""
    bar, rests = progress.add_task(worker, total=files + 1), random.Random(1)
    put: dict[str, datetime] = {}
    bodies = [photograph.path.read_bytes() for photograph in photographs().values()]
    # The first one compiles statements, loads flows, logs in; a labelyard runs for weeks.
    warm = f"in/{worker}-warm.jpg"
    _put(running, warm, bodies[0])
    _wait(running, warm)
    progress.advance(bar)
    for number, body in enumerate(itertools.islice(itertools.cycle(bodies), files)):
        key = f"in/{worker}-{number:04d}.jpg"
        _rest(running, rests.uniform(0, pause))  # at no fixed distance from anybody's polls
        put[key] = _put(running, key, body)
        _wait(running, key)
        progress.advance(bar)
    yield from ways_of(running, put)


def _put(running: Running, key: str, body: bytes) -> datetime:
    at = datetime.now(UTC)
    running.s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="image/jpeg")
    return at


def _rest(running: Running, seconds: float) -> None:
    end = time.monotonic() + seconds
    running.yard.watch(lambda: time.monotonic() >= end)


def _wait(running: Running, key: str) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    query = (
        select(tables.Batch.state)
        .join(tables.Object, tables.Batch.id == tables.Object.batch_id)
        .where(tables.Object.key == key)
    )
    while True:
        with running.ledger.read_only() as tx:
            if tx.scalar(query) is BatchState.ASSIGNED:
                return
        if time.monotonic() > end:
            raise click.ClickException(f"{key} has no task after {_LONGEST_SECONDS:g} s")
        _rest(running, 0.1)


def ways_of(running: Running, put: Mapping[str, datetime]) -> list[Way]:
    """What ledger, Prefect and CVAT say of when what happened."""
    runs, made = _runs(running), _tasks_made(running)
    found = []
    with running.ledger.read_only() as tx:
        for key, at in put.items():
            batch_id = tx.scalars(select(tables.Object.batch_id).where(tables.Object.key == key)).one() or ""
            told = tx.scalars(select(tables.History).where(tables.History.batch_id == batch_id))
            moments = {entry.what: entry.at for entry in told if entry.what in _UNTIL}
            outbox = select(tables.OutboxEvent).where(tables.OutboxEvent.batch_id == batch_id)
            announced = tx.scalars(outbox.order_by(tables.OutboxEvent.id)).first()
            task = tx.scalars(select(tables.Task).where(tables.Task.batch_id == batch_id)).one()
            if announced is not None and announced.published_at is not None:
                moments["announced"] = announced.published_at
            found.append(Way(key, at, {**moments, **runs[batch_id], "task": made[task.server_id or 0]}))
    return found


def _runs(running: Running) -> dict[str, dict[str, datetime]]:
    """By batch: when its run was made, taken, and begun."""
    found, page = {}, 200
    asked = {"limit": page, "flow_runs": {"tags": {"all_": ["ingest"]}}, "sort": "START_TIME_ASC"}
    with httpx.Client(base_url=running.links.prefect_api, timeout=60) as api:
        for offset in itertools.count(0, page):
            runs = api.post("/flow_runs/filter", json=asked | {"offset": offset}).raise_for_status().json()
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


def _tasks_made(running: Running) -> dict[int, datetime]:
    """When the CVAT made each task."""
    cvat = running.cvat()
    return {task.id: _time(task.created) for task in cvat.tasks()}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def summary(ways: Mapping[str, Sequence[Way]], pause: float) -> dict[str, Any]:
    """Quantiles of the whole way, and where its time goes, for each worker."""
    return {
        "files": {worker: len(found) for worker, found in ways.items()},
        "pause_seconds": pause,
        "workers": {
            worker: {
                "put_to": {moment: _quantiles([way.seconds(moment) for way in found]) for moment in _SHOWN},
                "median_seconds_at": {
                    moment: round(statistics.median(way.seconds(moment) for way in found), 3) for moment in _UNTIL
                },
            }
            for worker, found in ways.items()
        },
        "load": round(os.getloadavg()[0], 1),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(seconds), 2)}


def show(console: Console, told: Mapping[str, Any]) -> None:
    """The figures, and the split."""
    workers = told["workers"]
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
    console.print(f"{told['files']} files, one at a time; load {told['load']}")


if __name__ == "__main__":
    main()
