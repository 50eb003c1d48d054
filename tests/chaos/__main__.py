"""Everything that can go wrong does, by seeds, and at the end nothing is lost or doubled.

python benchmarks/faults.py --fast --runs 1000 --seed 1     few processes, without Prefect
python benchmarks/faults.py --runs 50 --seed 1              whole labelyards, Prefect and all
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "tests")]

from tests.chaos.chaos_run import Outcome  # noqa: E402
from tests.chaos.fast_runs import open_fast_lane  # noqa: E402
from tests.chaos.full_runs import open_whole_lane  # noqa: E402
from tests.chaos.parallel_runs import OpenLane, run_seeds  # noqa: E402
from tests.chaos.postgres import run_postgres  # noqa: E402
from tests.support.emulator import run_emulator  # noqa: E402 - found by the line above


@click.command()
@click.option("--fast", is_flag=True, help="Few processes, without Prefect.")
@click.option("--runs", default=50, show_default=True, help="How many seeds.")
@click.option("--seed", default=1, show_default=True, help="The first seed; the others follow it.")
@click.option("--lanes", type=click.IntRange(min=1), help="Runs at the same time: one a core, or 3 with --fast.")
@click.option("--ledger", default="sqlite", show_default=True, help="sqlite, postgresql, or a PostgreSQL URL.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the result there too.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep logs of whole labelyards that end unclean there.")
@click.option("--say", is_flag=True, help="Tell what failed on the way of a run that is not clean.")
def main(
    *, fast: bool, runs: int, seed: int, lanes: int | None, ledger: str, to: Path | None, keep: Path | None, say: bool
) -> None:
    """Run seeds and compare bucket, ledger, server and exports after each; exit status 0 only if all are clean."""
    began, console, cores = time.monotonic(), Console(), len(os.sched_getaffinity(0))
    with (
        _lanes(ledger, keep and keep.absolute(), fast=fast) as open_lane,
        Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("runs", total=runs)
        outcomes = []
        for outcome in run_seeds(range(seed, seed + runs), lanes or (3 if fast else 1) * cores, open_lane):
            outcomes.append(outcome)
            progress.advance(bar)
            for line in outcome.differences:
                console.print(f"seed {outcome.seed}: {line}", style="red", markup=False)
            if not console.is_terminal and len(outcomes) % (50 if fast else 1) == 0:
                console.print(f"{len(outcomes)} runs, {sum(not one.differences for one in outcomes)} clean")
            if say and outcome.differences:
                console.print(*(f"  {words}" for words in outcome.said), sep="\n", markup=False)
    result = summary(outcomes)
    _show(console, result, time.monotonic() - began)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(0 if result["clean"] == result["runs"] else 1)


@contextmanager
def _lanes(ledger: str, keep: Path | None, *, fast: bool) -> Iterator[OpenLane]:
    with _server(ledger) as server:
        if not fast:
            yield partial(open_whole_lane, server, keep)
            return
        with run_emulator() as emulator:
            yield partial(open_fast_lane, emulator.url, server)


def _server(ledger: str) -> AbstractContextManager[str | None]:
    if ledger == "postgresql":
        return run_postgres()
    return nullcontext(None if ledger == "sqlite" else ledger)


def summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Runs, clean runs, faults by kind, and the differences of each run that is not clean."""
    done, faults = list(outcomes), Counter[str]()
    for outcome in done:
        faults += outcome.faults
    unclean = [{"seed": outcome.seed, "difference": "; ".join(outcome.differences)} for outcome in done
               if outcome.differences]  # fmt: skip
    return {"runs": len(done), "clean": len(done) - len(unclean), "faults": dict(sorted(faults.items())),
            "unclean": sorted(unclean, key=lambda one: int(one["seed"]))}  # fmt: skip


def _show(console: Console, result: dict[str, Any], seconds: float) -> None:
    table = Table("fault", "times", pad_edge=False)
    for kind, times in result["faults"].items():
        table.add_row(kind, str(times))
    console.print(table)
    total = sum(result["faults"].values())
    console.print(f"{result['clean']} of {result['runs']} runs clean, {total} faults, {seconds:.0f} s")


if __name__ == "__main__":
    main()
