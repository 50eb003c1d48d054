"""From the completion of a job in CVAT to the start of its export run: by CVAT's webhook, and by the schedule alone.

Everything is real: emulator, sandbox of CVAT 2.73, Prefect's server, watcher and worker, as `labelyard up` starts them,
with the default intervals. Each task has one file and one job. Jobs are completed at random moments, first with the
webhook; then the webhook is switched off in CVAT, and nothing else changes.

    python benchmarks/completion.py [--jobs 12] [--seconds 120] [--json FILE]
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from full_stack import BUCKET, BenchmarkStack, labelyard_up
from latency import runs_by_batch
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from labelyard.demo.photographs import photographs
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import tables, tasks

WEBHOOK, SCHEDULE = "webhook", "schedule"
_TIMEOUT_SECONDS = 300.0
_UNTIL = {
    "completed": "the ledger has it",
    "published": "Prefect has accepted the event",
    "run": "the flow run exists",
    "running": "the export begins",
}
"""The moments between the completion and the export, in order."""
Moments = Mapping[str, float]


@click.command()
@click.option("--jobs", default=12, show_default=True, help="Jobs for each way.")
@click.option("--seconds", default=120.0, show_default=True, help="How long to complete them, at random moments.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, jobs: int, seconds: float, to: Path | None) -> None:
    """Measure, and print a table."""
    to = to and to.absolute()
    with labelyard_up({"max_objects": 1}) as stack:
        _put(stack, 2 * jobs + 1)
        batches = _batches(stack)
        _complete(stack, batches[:1], 0.0)  # the first export compiles SQL statements and loads flows
        done = {WEBHOOK: _complete(stack, batches[1 : jobs + 1], seconds)}
        _switch_off(stack)
        done[SCHEDULE] = _complete(stack, batches[jobs + 1 :], seconds)
        ways = {way: list(_moments(stack, completed)) for way, completed in done.items()}
    result = summary(ways)
    show(Console(), result)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")


def _put(stack: BenchmarkStack, count: int) -> None:
    bodies = [photograph.path.read_bytes() for photograph in photographs().values()]
    for number in range(count):
        key = f"in/{number:04d}.jpg"
        stack.s3.put_object(Bucket=BUCKET, Key=key, Body=bodies[number % len(bodies)], ContentType="image/jpeg")
    _wait(stack, BatchState.ASSIGNED, count)


def _batches(stack: BenchmarkStack) -> Sequence[str]:
    with stack.ledger.read_only() as tx:
        return tx.scalars(select(tables.Batch.id).order_by(tables.Batch.number)).all()


def _complete(stack: BenchmarkStack, batches: Sequence[str], seconds: float) -> Mapping[str, datetime]:
    """Complete the job of each batch, and wait until all are exported; return when each was completed."""
    cvat, begun, completed, generator = stack.cvat(), time.monotonic(), {}, random.Random(1)
    moments = sorted(generator.uniform(0, seconds) for _ in batches)
    for batch, moment in zip(batches, moments, strict=True):
        stack.supervisor.watch(lambda moment=moment: time.monotonic() - begun >= moment)  # type: ignore[misc]
        with stack.ledger.read_only() as tx:
            _, task_id = tasks.require_current(tx, batch)
        [job] = cvat.jobs(task_id)
        completed[batch] = datetime.now(UTC)
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    _wait(stack, BatchState.EXPORTED, len(batches), batches)
    return completed


def _switch_off(stack: BenchmarkStack) -> None:
    secret = stack.settings.cvat["default"].webhook.secret
    assert secret is not None, "the benchmark's settings have a webhook"
    [webhook] = stack.cvat().webhooks()
    stack.cvat().change_webhook(webhook.id, replace(webhook.spec, is_active=False), secret)


def _wait(stack: BenchmarkStack, state: BatchState, count: int, batches: Sequence[str] = ()) -> None:
    end = time.monotonic() + _TIMEOUT_SECONDS
    of_these = (tables.Batch.id.in_(batches),) if batches else ()
    query = select(func.count()).where(tables.Batch.state == state, *of_these)
    while True:
        with stack.ledger.read_only() as tx:
            if tx.scalar(query) == count:
                return
        if time.monotonic() > end:
            raise click.ClickException(f"not all batches are {state} after {_TIMEOUT_SECONDS:g} s")
        soon = time.monotonic() + 0.2
        stack.supervisor.watch(lambda soon=soon: time.monotonic() >= soon)  # type: ignore[misc]


def _moments(stack: BenchmarkStack, completed: Mapping[str, datetime]) -> Iterator[Moments]:
    """Yield the seconds from just before each completion until each moment."""
    runs = runs_by_batch(stack, "export")
    for batch, at in completed.items():
        with stack.ledger.read_only() as tx:
            done = select(tables.History.at).where(tables.History.batch_id == batch, tables.History.what == "completed")
            event = select(tables.OutboxEvent).where(tables.OutboxEvent.batch_id == batch)
            published = tx.scalars(event.order_by(tables.OutboxEvent.id.desc())).first()
            assert published is not None, "a completed batch has an event"
            assert published.published_at is not None, "an exported batch had a run"
            seen = {"completed": tx.scalars(done).one(), "published": published.published_at, **runs[batch]}
        yield {moment: (seen[moment] - at).total_seconds() for moment in _UNTIL}


def summary(ways: Mapping[str, Sequence[Moments]]) -> dict[str, Any]:
    """Return, for each way, the median and the longest time until each moment, in seconds."""
    return {
        "jobs": {way: len(found) for way, found in ways.items()},
        "seconds_to": {
            way: {
                moment: {
                    "p50": round(statistics.median(one[moment] for one in found), 2),
                    "max": round(max(one[moment] for one in found), 2),
                }
                for moment in _UNTIL
            }
            for way, found in ways.items()
        },
        "load": round(os.getloadavg()[0], 1),
    }


def show(console: Console, result: Mapping[str, Any]) -> None:
    """Print the figures, and how many times as long the schedule takes."""
    table = Table("from the completion until", *(f"{way} {name}" for way in result["jobs"] for name in ("p50", "max")))
    table.add_column("p50s' ratio")
    by_webhook, by_schedule = (result["seconds_to"][way] for way in (WEBHOOK, SCHEDULE))
    for moment, what in _UNTIL.items():
        seconds = [way[moment][name] for way in (by_webhook, by_schedule) for name in ("p50", "max")]
        ratio = by_schedule[moment]["p50"] / by_webhook[moment]["p50"]
        table.add_row(what, *(f"{one:.2f} s" for one in seconds), f"{ratio:.1f}")
    console.print(table)
    console.print(f"{result['jobs']} jobs; load {result['load']}")


if __name__ == "__main__":
    main()
