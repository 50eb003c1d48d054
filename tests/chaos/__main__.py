"""The command line of the chaos runs.

python -m tests.chaos --fast --runs 1000     step faults in few processes, without Prefect
python -m tests.chaos --runs 50              process faults against full stacks, with Prefect
python -m tests.chaos --fast --runs 1 --seed 4711     repeat one run
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.chaos.chaos_run import Outcome
from tests.chaos.fast_runs import open_fast_runs
from tests.chaos.full_runs import open_full_runs
from tests.chaos.parallel_runs import OpenRuns, run_seeds
from tests.support.cvat_families import V1, VERSIONS
from tests.support.emulator import run_emulator
from tests.support.postgres import run_postgres


@click.command()
@click.option("--fast", is_flag=True, help="Step faults in few processes, without Prefect.")
@click.option("--runs", default=50, show_default=True, type=click.IntRange(min=1), help="How many seeds to run.")
@click.option(
    "--seed", type=int, help="The first seed; the others follow it. By default a fresh one, which is printed."
)
@click.option("--processes", type=click.IntRange(min=1), help="Runs at the same time: one per core, or 3 with --fast.")
@click.option("--ledger", default="sqlite", show_default=True, help="sqlite, postgresql, or a PostgreSQL URL.")
@click.option(
    "--cvat", type=click.Choice(VERSIONS), default=V1, show_default=True, help="The version of CVAT that is imitated."
)
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the result to this file too.")
@click.option(
    "--keep-logs", type=click.Path(path_type=Path), help="Copy the logs of unclean full stacks to this folder."
)
@click.option("--verbose", is_flag=True, help="Print the log of every unclean run.")
def main(
    *,
    fast: bool,
    runs: int,
    seed: int | None,
    processes: int | None,
    ledger: str,
    cvat: str,
    to: Path | None,
    keep_logs: Path | None,
    verbose: bool,
) -> None:
    """Run seeds and check the invariants after each. The exit status is 0 only if all runs are clean."""
    started, console = time.monotonic(), Console()
    first = fresh_seed() if seed is None else seed
    console.print(f"seeds {first} to {first + runs - 1}", highlight=False)
    processes = processes or (3 if fast else 1) * len(os.sched_getaffinity(0))
    outcomes = []
    with (
        _open(ledger, cvat, keep_logs and keep_logs.absolute(), fast=fast) as open_runs,
        Progress(console=console, transient=True) as progress,
    ):
        bar = progress.add_task("runs", total=runs)
        for outcome in run_seeds(range(first, first + runs), min(processes, runs), open_runs):
            outcomes.append(outcome)
            progress.advance(bar)
            _print_violations(console, outcome, repeat_command(outcome.seed, ledger, cvat, fast=fast), verbose=verbose)
            if not console.is_terminal and len(outcomes) % (10 if fast else 1) == 0:
                console.print(f"{len(outcomes)} runs, {sum(not one.violations for one in outcomes)} clean")
    result = summary(outcomes)
    _print_result(console, result, time.monotonic() - started)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(0 if result["clean"] == result["runs"] else 1)


def fresh_seed() -> int:
    """Return a seed that has probably never run."""
    return random.SystemRandom().randrange(10**9)


def repeat_command(seed: int, ledger: str = "sqlite", cvat: str = V1, *, fast: bool) -> str:
    """Return the command that repeats the run of a seed."""
    options = ["--fast"] * fast + ([] if ledger == "sqlite" else ["--ledger", ledger])
    options += [] if cvat == V1 else ["--cvat", cvat]
    return " ".join(["python -m tests.chaos", *options, "--runs 1 --verbose", f"--seed {seed}"])


@contextmanager
def _open(ledger: str, cvat: str, keep_logs: Path | None, *, fast: bool) -> Iterator[OpenRuns]:
    with _postgres(ledger) as postgres:
        if not fast:
            yield partial(open_full_runs, postgres, keep_logs, cvat)
            return
        with run_emulator() as emulator:
            yield partial(open_fast_runs, emulator.url, postgres, cvat)


def _postgres(ledger: str) -> AbstractContextManager[str | None]:
    if ledger == "postgresql":
        return run_postgres()
    return nullcontext(None if ledger == "sqlite" else ledger)


def _print_violations(console: Console, outcome: Outcome, repeat: str, *, verbose: bool) -> None:
    lines: Sequence[str] = outcome.log if verbose and outcome.violations else ()
    for violation in outcome.violations:
        console.print(f"seed {outcome.seed}: {violation}", style="red", markup=False)
    for line in lines:
        console.print(f"  {line}", markup=False)
    if outcome.violations:
        console.print(f"repeat it: {repeat}", markup=False, highlight=False, soft_wrap=True)


def summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return how many runs there were, were clean, and used which feature; faults by kind; unclean runs."""
    done, faults, features = list(outcomes), Counter[str](), Counter[str]()
    for outcome in done:
        faults += outcome.faults
        features.update(outcome.features)
    unclean = sorted((outcome for outcome in done if outcome.violations), key=lambda outcome: outcome.seed)
    return {
        "runs": len(done),
        "clean": len(done) - len(unclean),
        "features": dict(sorted(features.items())),
        "faults": dict(sorted(faults.items())),
        "unclean": [{"seed": outcome.seed, "violations": list(outcome.violations)} for outcome in unclean],
    }


def _print_result(console: Console, result: dict[str, Any], seconds: float) -> None:
    for columns, counts in ((("feature", "runs"), result["features"]), (("fault", "times"), result["faults"])):
        table = Table(*columns, pad_edge=False)
        for kind, count in counts.items():
            table.add_row(kind, str(count))
        console.print(table)
    total = sum(result["faults"].values())
    console.print(f"{result['clean']} of {result['runs']} runs clean, {total} faults, {seconds:.0f} s")


if __name__ == "__main__":
    main()
