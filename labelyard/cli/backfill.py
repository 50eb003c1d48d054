"""backfill: what a bucket holds already, into the ledger."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from labelyard.context import open_context
from labelyard.operations.backfill import backfill as backfilled
from labelyard.pipeline.register_objects import Registered


@click.command()
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON, without a bar.")
def backfill(dataset: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Land what the sources of DATASET hold already; nothing lands twice, whatever events tell meanwhile.

    Batches close as they fill, by the dataset's rules. Ctrl-C ends it after the objects at hand, with status 130; the
    next start knows what has landed and goes on quickly.
    """
    done, began, ended = Registered(), time.monotonic(), False
    try:
        with open_context() as context, _interrupts() as interrupted, _bar(dataset, shown=not as_json) as bar:
            for chunk in backfilled(context, dataset):
                done += chunk
                _advance(bar, done, time.monotonic() - began)
                if interrupted.is_set():
                    break
            ended = not interrupted.is_set()
    finally:
        if ended or _seen(done):
            _tell(dataset, done, time.monotonic() - began, ended=ended, as_json=as_json)
    sys.exit(0 if ended else 128 + signal.SIGINT)


def _seen(done: Registered) -> int:
    return done.new + done.known + done.ignored


def _tell(dataset: str, done: Registered, seconds: float, *, ended: bool, as_json: bool) -> None:
    if as_json:
        figures = {"seen": _seen(done), **asdict(done), "seconds": round(seconds, 3), "ended": ended}
        click.echo(json.dumps({"dataset": dataset, **figures}, indent=1))
        return
    click.echo(
        f"{_seen(done):,} objects seen in {seconds:,.1f} s: {done.new:,} new, {done.known:,} known, "
        f"{done.ignored:,} not the dataset's"
    )
    click.echo("next: labelyard status" if ended else f"stopped; go on with: labelyard backfill {dataset}")


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM, so that the objects at hand are finished; a second one ends it at once."""
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
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,.0f} seen, {task.fields[new]:,} new, {task.fields[known]:,} known"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        bar.add_task(dataset, total=None, new=0, known=0, rate=0.0)
        yield bar


def _advance(bar: Progress, done: Registered, seconds: float) -> None:
    rate = _seen(done) / max(seconds, 1e-9)
    bar.update(bar.task_ids[0], completed=_seen(done), new=done.new, known=done.known, rate=rate)
