"""`labelyard up` with nothing to do: runs by state, the size of the databases, and CPU, for as long as you like.

Starts what `labelyard up` starts, with one dataset over an empty bucket and labelyard's default intervals (or the
demo's), waits a minute, and then looks at it every few minutes. Ends with status 1 if a run failed, crashed or was
late, or if an action of an automation failed. Runs that housekeeping has deleted are counted by their events.

    python benchmarks/at_rest.py [--minutes 120] [--demo-intervals] [--json FILE]
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
from full_stack import BenchmarkStack, labelyard_up

from labelyard.supervisor.stack import FOLDER

WRONG = ("Failed", "Crashed", "Late", "TimedOut", "To be tried again", "Actions failed")
"""States that no run may have had, by name."""

_WARM_UP_SECONDS = 60.0  # on a slow machine the first scheduled runs are late, until the worker has started
_STATE = "prefect.flow-run."
_FAILED_ACTION = "prefect.automation.action.failed"
_DEMO_INTERVALS = {
    "LABELYARD_DEPLOY__COLLECT_SECONDS": "3",
    "LABELYARD_DEPLOY__SWEEP_SECONDS": "20",
    "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "10",
}


@dataclass(frozen=True)
class Sample:
    """What one look found: runs that exist and events that are stored, by state; bytes by database; CPU seconds."""

    minutes: float
    runs: Mapping[str, int]
    events: Mapping[str, int]
    failed_actions: int
    bytes: Mapping[str, int]
    cpu_seconds: Mapping[str, float]
    locked: int
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))

    def wrong(self) -> dict[str, int]:
        """Return the count of each state or event that a healthy installation at rest does not have."""
        seen = {name: max(self.runs.get(name, 0), self.events.get(name, 0)) for name in WRONG}
        return {name: count for name, count in {**seen, "failed actions": self.failed_actions}.items() if count}


@click.command()
@click.option("--minutes", default=120.0, show_default=True, help="How long to look.")
@click.option("--every", default=5.0, show_default=True, help="Minutes between two looks.")
@click.option("--demo-intervals", is_flag=True, help="The short intervals of `labelyard demo`.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write all samples there too.")
def main(*, minutes: float, every: float, demo_intervals: bool, to: Path | None) -> None:
    """Look, and print one line each time."""
    to = to and to.absolute()
    samples: list[Sample] = []
    with labelyard_up({"quiet": "1m"}, **(_DEMO_INTERVALS if demo_intervals else {})) as stack:
        for sample in _samples(stack, minutes * 60, every * 60):
            samples.append(sample)
            print(_line(sample), flush=True)
            if to is not None:
                to.write_text(json.dumps([asdict(one) for one in samples], indent=1) + "\n")
    print(json.dumps(asdict(samples[-1]), indent=1))
    sys.exit(1 if samples[-1].wrong() else 0)


def _samples(stack: BenchmarkStack, seconds: float, every: float) -> Iterator[Sample]:
    warm = time.monotonic() + _WARM_UP_SECONDS
    stack.supervisor.watch(lambda: time.monotonic() >= warm)
    began, since = time.monotonic(), datetime.now(UTC)
    for number in range(round(seconds / every) + 1):
        due = began + number * every
        stack.supervisor.watch(lambda due=due: time.monotonic() >= due)  # type: ignore[misc]
        yield _sample(stack, (time.monotonic() - began) / 60, since)


def _sample(stack: BenchmarkStack, minutes: float, since: datetime) -> Sample:
    events = _events(stack.links.prefect_api, since)
    states = {name.removeprefix(_STATE): count for name, count in events.items() if name.startswith(_STATE)}
    log = stack.supervisor.log_of("prefect-server").read_text(errors="replace")
    return Sample(
        minutes=round(minutes, 1),
        runs=_runs(stack.links.prefect_api),
        events=states,
        failed_actions=events.get(_FAILED_ACTION, 0),
        bytes={"prefect": _size(FOLDER / "prefect" / "prefect.db"), "ledger": _size(FOLDER / "ledger.db")},
        cpu_seconds=_cpu_seconds(),
        locked=log.count("database is locked"),
    )


def _ask(api: str, path: str, body: Any) -> Any:
    while (response := httpx.post(f"{api}{path}", json=body, timeout=60)).status_code == 503:
        time.sleep(0.5)  # SQLite is busy
    return response.raise_for_status().json()


def _runs(api: str) -> dict[str, int]:
    """Return how many runs are in each state, by name; runs that are not due yet are left out."""
    names = ["Pending", "Running", "Completed", "Nothing new", "Server unavailable", "Cancelled", *WRONG]
    counts = {
        name: _ask(api, "/flow_runs/count", {"flow_runs": {"state": {"name": {"any_": [name]}}}}) for name in names
    }
    return {name: count for name, count in counts.items() if count}


def _events(api: str, since: datetime) -> dict[str, int]:
    """Return how many events are stored since then, by name."""
    wanted = {"filter": {"occurred": {"since": since.isoformat()}}}
    return {one["value"]: one["count"] for one in _ask(api, "/events/count-by/event", wanted)}


def _size(database: Path) -> int:
    files = [database, *(database.with_name(f"{database.name}-{end}") for end in ("wal", "shm"))]
    return sum(file.stat().st_size for file in files if file.exists())


def _cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds of each process since its start, its ended children included."""
    found = dict[str, float]()
    for child in psutil.Process().children(recursive=True):
        try:
            times, name = child.cpu_times(), _name(child.cmdline())
        except psutil.Error:
            continue
        total = times.user + times.system + times.children_user + times.children_system
        found[name] = round(found.get(name, 0) + total, 1)
    return found


def _name(command: list[str]) -> str:
    line = " ".join(command)
    known = {"server start": "prefect-server", "worker start": "worker", "labelyard watch": "watcher"}
    return next((name for words, name in known.items() if words in line), "emulator, sandbox")


def _line(sample: Sample) -> str:
    runs = ", ".join(f"{count} {name}" for name, count in sample.runs.items())
    sizes = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sample.bytes.items())
    cpu = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in sample.cpu_seconds.items())
    wrong = f"; WRONG: {sample.wrong()}" if sample.wrong() else ""
    rest = f"{sample.locked} times locked; load {sample.load}{wrong}"
    return f"{sample.minutes:6.1f} min  {runs}; {sizes}; CPU {cpu}; {rest}"


if __name__ == "__main__":
    main()
