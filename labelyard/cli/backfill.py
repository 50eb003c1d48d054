"""backfill: register what a bucket already contains."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import click
from rich.progress import Progress, TextColumn

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import bars
from labelyard.context import open_context
from labelyard.operations.backfill import Selection
from labelyard.operations.backfill import backfill as register_existing
from labelyard.pipeline.register_objects import Registered

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@dataclass(frozen=True)
class Backfilled:
    """How many objects `backfill` listed, and what became of them."""

    dataset: str
    listed: int
    new: int
    known: int
    ignored: int
    """Those that are not the dataset's."""
    seconds: float
    completed: bool
    """False if it was interrupted."""


@click.command()
@click.argument("dataset")
@click.option("--since", type=_TIME, help="Only objects written at this time (UTC) or later.")
@click.option("--until", type=_TIME, help="Only objects written before this time (UTC).")
@click.option("--prefix", default="", help="Only keys that begin with it; it is inside of a source.")
@json_option(Backfilled, "Print the counts as JSON, without a progress bar.")
def backfill(dataset: str, *, since: datetime | None, until: datetime | None, prefix: str, as_json: bool) -> None:
    """Register what the sources of DATASET already contain; no object is registered twice, notified or not.

    They get batches of their own, which close as they fill, by the dataset's rules. What arrives now goes first: these
    batches are sent to CVAT a few at a time, and only while no other one waits. Ctrl-C stops after the current page,
    with status 130; the next run skips registered objects quickly.
    """
    selection = Selection(prefix, since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))
    done, began, completed = Registered(), time.monotonic(), False
    try:
        with open_context() as context, _interrupts() as interrupted, _bar(dataset, shown=not as_json) as bar:
            for page in register_existing(context, dataset, selection):
                done += page
                _advance(bar, done, time.monotonic() - began)
                if interrupted.is_set():
                    break
            completed = not interrupted.is_set()
    finally:
        if completed or _listed(done):
            _report(dataset, done, time.monotonic() - began, completed=completed, as_json=as_json)
    sys.exit(0 if completed else 128 + signal.SIGINT)


def _listed(done: Registered) -> int:
    return done.new + done.known + done.ignored


def _report(dataset: str, done: Registered, seconds: float, *, completed: bool, as_json: bool) -> None:
    if as_json:
        counts = (_listed(done), done.new, done.known, done.ignored)
        print_json(Backfilled(dataset, *counts, seconds=round(seconds, 3), completed=completed))
        return
    click.echo(
        f"{_listed(done):,} objects listed in {seconds:,.1f} s: {done.new:,} new, {done.known:,} known, "
        f"{done.ignored:,} not the dataset's"
    )
    click.echo("next: labelyard status" if completed else f"stopped; continue with: labelyard backfill {dataset}")


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    interrupted = threading.Event()

    def note(number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(dataset: str, *, shown: bool) -> Iterator[Progress]:
    columns = [
        TextColumn("{task.completed:,.0f} listed, {task.fields[new]:,} new, {task.fields[known]:,} known"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
    ]
    with bars(*columns, shown=shown) as bar:
        bar.add_task(dataset, total=None, new=0, known=0, rate=0.0)
        yield bar


def _advance(bar: Progress, done: Registered, seconds: float) -> None:
    rate = _listed(done) / max(seconds, 1e-9)
    bar.update(bar.task_ids[0], completed=_listed(done), new=done.new, known=done.known, rate=rate)
