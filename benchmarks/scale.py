"""What a small batch costs: CPU by process, requests to Prefect by path, rows in its database; and batches a minute.

All batches are put at once, ingested, completed in CVAT, and exported. The CPU of as long a time without work is taken
off. The peer is a Prefect deployment whose flow does nothing, on the same server and worker: what a run costs at least.

    python benchmarks/scale.py [--batches 40] [--files 10] [--json FILE]
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psutil
from burst import pictures
from full_stack import BUCKET, BenchmarkStack, labelyard_up
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from runs import FLOW, PROJECT, run_prefect
from sqlalchemy import func, select

from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import tables, tasks
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER, prefect_worker

_STALLED_SECONDS = 180.0
_PROCESSES = {
    "prefect-server": " server start ",
    "worker": " worker start ",
    "watcher": " watch ",
    "emulator": "ministack",
    "sandbox": "cvat_sandbox",
}
"""By what their command line is recognised."""
_WITHOUT_SERVERS_OF_OTHERS = ("prefect-server", "worker", "watcher")
_TABLES = ("events", "event_resources", "flow_run_state", "task_run", "task_run_state", "log", "artifact")
_REQUEST = re.compile(r'"(GET|POST|PATCH|PUT|DELETE) /api(/[^ ?"]*)[^"]*" (\d{3})')
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_WARMING_RUNS = 3
_LOGGED = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO"}
"""With these variables the server's log has a line for each request."""


@dataclass
class Measured:
    """Seconds of CPU by process, requests by path, and rows and bytes of Prefect's database; all since a start."""

    seconds: float
    cpu: Counter[str]
    requests: Counter[str]
    rows: Counter[str]


class Meter:
    """Reads what the processes of a supervisor, Prefect's log and its database have counted so far."""

    def __init__(self, supervisor: Supervisor, database: Path) -> None:
        self._log, self._database = supervisor.log_of("prefect-server"), database
        self._began = self._now()

    def restart(self) -> None:
        """Measure from now on."""
        self._began = self._now()

    def measured(self) -> Measured:
        """Return what was counted since the start."""
        now, began = self._now(), self._began
        changes = [Counter(new) for new in (now.cpu, now.requests, now.rows)]
        for change, old in zip(changes, (began.cpu, began.requests, began.rows), strict=True):
            change.subtract(old)
        return Measured(now.seconds - began.seconds, *changes)

    def _now(self) -> Measured:
        cpu: Counter[str] = Counter()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                command = " ".join(process.cmdline()) + " "
                name = next((name for name, part in _PROCESSES.items() if part in command), "")
                used = process.cpu_times()
                cpu[name] += used.user + used.system
        del cpu[""]
        found = _REQUEST.findall(self._log.read_text(errors="replace"))
        requests = Counter(f"{method} {_ID.sub('ID', path)}" for method, path, _ in found)
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            rows = Counter({name: _scalar(database, f"SELECT count(*) FROM {name}") for name in _TABLES})
            rows["bytes"] = _scalar(database, "PRAGMA page_count") * _scalar(database, "PRAGMA page_size")
            for event, count in database.execute("SELECT event, count(*) FROM events GROUP BY event"):
                rows[f"event {event}"] = count
        return Measured(time.monotonic(), cpu, requests, rows)


def _scalar(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


@click.command()
@click.option("--batches", default=40, show_default=True, help="Batches put at once.")
@click.option("--files", default=10, show_default=True, help="Images of a batch.")
@click.option("--idle", default=60.0, show_default=True, help="Seconds without work, whose CPU is taken off.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, batches: int, files: int, idle: float, to: Path | None) -> None:
    """Measure, and print tables."""
    console, to = Console(), to and to.absolute()
    with Progress(console=console, transient=True) as progress:
        with labelyard_up({"max_objects": files}, **_LOGGED) as stack:
            ours = _ours(stack, batches, files, idle, progress)
        plain = _plain(2 * batches, idle, progress)
    result = {"batches": batches, "files": files, "labelyard": ours, "plain": plain,
              "load": round(os.getloadavg()[0], 1)}  # fmt: skip
    show(console, result)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")


def _ours(stack: BenchmarkStack, batches: int, files: int, idle: float, progress: Progress) -> dict[str, Any]:
    bodies = pictures()

    def put(first: int, count: int) -> None:
        for number in range(first * files, (first + count) * files):
            body = bodies[number % len(bodies)] + number.to_bytes(4)  # no two files are equal
            stack.s3.put_object(Bucket=BUCKET, Key=f"in/{number:06d}.jpg", Body=body)

    put(0, 1)
    _wait(stack, BatchState.ASSIGNED, 1, progress)
    _complete(stack)
    _wait(stack, BatchState.EXPORTED, 1, progress)
    meter = Meter(stack.supervisor, FOLDER / "prefect" / "prefect.db")
    _wait_idle(stack.supervisor, idle, progress)
    at_rest = meter.measured()
    meter.restart()
    began = time.monotonic()
    put(1, batches)
    _wait(stack, BatchState.ASSIGNED, batches, progress)
    to_assigned = time.monotonic() - began
    began = time.monotonic()
    _complete(stack)
    _wait(stack, BatchState.EXPORTED, batches + 1, progress)
    to_exported = time.monotonic() - began
    time.sleep(5)  # events and logs follow in batches of their own
    return {
        "assigned_per_minute": round(batches / to_assigned * 60, 1),
        "exported_per_minute": round(batches / to_exported * 60, 1),
        **_each(meter.measured(), at_rest, batches),
    }


def _complete(stack: BenchmarkStack) -> None:
    cvat = stack.cvat()
    with stack.ledger.read_only() as tx:
        waiting = tx.scalars(select(tables.Batch.id).where(tables.Batch.state == BatchState.ASSIGNED)).all()
        task_ids = [tasks.require_current(tx, batch)[1] for batch in waiting]
    for task_id in task_ids:
        for job in cvat.jobs(task_id):
            cvat.set_job_status(job.id, JobStatus.COMPLETED)


def _wait(stack: BenchmarkStack, state: BatchState, count: int, progress: Progress) -> None:
    def counted() -> int:
        with stack.ledger.read_only() as tx:
            return int(tx.scalar(select(func.count()).where(tables.Batch.state == state)) or 0)

    _wait_for(stack.supervisor, str(state), counted, count, progress)


def _wait_for(supervisor: Supervisor, what: str, counted: Callable[[], int], count: int, progress: Progress) -> None:
    bar, moved, last = progress.add_task(what, total=count), time.monotonic(), -1
    while (now := counted()) < count:
        progress.update(bar, completed=now)
        if now != last:
            moved, last = time.monotonic(), now
        if time.monotonic() - moved > _STALLED_SECONDS:
            raise click.ClickException(f"{now} of {count} {what} after {_STALLED_SECONDS:g} s without another one")
        supervisor.check()
        time.sleep(0.25)
    progress.remove_task(bar)


def _wait_idle(supervisor: Supervisor, seconds: float, progress: Progress) -> None:
    began = time.monotonic()
    _wait_for(supervisor, "idle", lambda: int(time.monotonic() - began), int(seconds), progress)


def _plain(runs: int, idle: float, progress: Progress) -> dict[str, Any]:
    """Measure runs of a flow that does nothing. A batch has two runs: of ingest and of export.

    The variables of `_LOGGED` are still set.
    """
    with run_prefect(FLOW, PROJECT) as prefect:
        prefect.supervisor.start(prefect_worker(prefect.settings, prefect.environment))
        deployment = prefect.api.get("/deployments/name/small/small").raise_for_status().json()["id"]

        def run(count: int) -> None:
            before = prefect.completed()
            for _ in range(count):
                prefect.post(f"/deployments/{deployment}/create_flow_run")
            _wait_for(prefect.supervisor, "plain runs", prefect.completed, before + count, progress)

        run(_WARMING_RUNS)
        meter = Meter(prefect.supervisor, Path("home/prefect.db"))
        _wait_idle(prefect.supervisor, idle, progress)
        at_rest = meter.measured()
        meter.restart()
        run(runs)
        seconds = meter.measured().seconds
        time.sleep(5)
        return {"runs_per_minute": round(runs / seconds * 60, 1), **_each(meter.measured(), at_rest, runs)}


def _each(busy: Measured, at_rest: Measured, count: int) -> dict[str, Any]:
    """Return what one of `count` batches or runs needed, beyond what as long a time without work needs."""

    def beyond(kind: str) -> dict[str, float]:
        new, old = getattr(busy, kind), getattr(at_rest, kind)
        share = busy.seconds / at_rest.seconds
        each = {name: (new[name] - old[name] * share) / count for name in new}
        return {name: round(value, 3) for name, value in sorted(each.items(), key=lambda one: -one[1]) if value > 0.004}

    cpu = beyond("cpu")
    own = sum(cpu.get(name, 0.0) for name in _WITHOUT_SERVERS_OF_OTHERS)
    idle = {name: round(value * 60 / at_rest.seconds, 2) for name, value in at_rest.cpu.items()}
    return {"cpu_seconds": cpu, "cpu_of_labelyard_and_prefect": round(own, 2), "idle_cpu_seconds_per_minute": idle,
            "requests": beyond("requests"), "rows": beyond("rows")}  # fmt: skip


def show(console: Console, result: Mapping[str, Any]) -> None:
    """Print the figures."""
    ours, plain = result["labelyard"], result["plain"]
    for kind, title in (("cpu_seconds", "CPU seconds"), ("requests", "requests to Prefect"), ("rows", "new rows")):
        table = Table(title, "a batch", "a plain run")
        for name in dict.fromkeys((*ours[kind], *plain[kind])):
            table.add_row(name, *(f"{one[kind].get(name, 0):,.2f}" for one in (ours, plain)))
        if kind != "rows":
            table.add_row("all", *(f"{sum(one[kind].values()):,.2f}" for one in (ours, plain)))
        console.print(table)
    console.print(
        f"{result['batches']} batches of {result['files']} images: {ours['assigned_per_minute']:.0f} a minute to"
        f" assigned, then {ours['exported_per_minute']:.0f} a minute to exported; {plain['runs_per_minute']:.0f} plain"
        f" runs a minute; {ours['cpu_of_labelyard_and_prefect']} s of CPU a batch in labelyard and Prefect;"
        f" load {result['load']}"
    )


if __name__ == "__main__":
    main()
