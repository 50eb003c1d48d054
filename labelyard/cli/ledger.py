"""status, retry, close, db: what the ledger knows, and a person's hand in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.context import open_context
from labelyard.domain.states import BatchState
from labelyard.ledger import Ledger, batches, upgrade
from labelyard.ledger.overview import BatchSummary, Overview, overview
from labelyard.operations.remarks import general_remarks, jobs_told, remarks
from labelyard.pipeline.close_batches import close_now
from labelyard.settings import load_settings

_PIPED_WIDTH = 200


@contextmanager
def _ledger() -> Iterator[Ledger]:
    ledger = Ledger(load_settings().ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@click.command()
@click.option("--dataset", help="Only this dataset's batches.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(dataset: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show every batch: how far it is, its task, who has its jobs, what went wrong and what to do."""
    with _ledger() as ledger, ledger.read_only() as tx:
        seen = overview(tx, dataset=dataset)
    if as_json:
        click.echo(json.dumps(asdict(seen), default=_jsonable, indent=1))
    else:
        _show(seen)


def _show(seen: Overview) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    table = Table(pad_edge=False)
    for name in ("batch", "state", "objects"):
        table.add_column(name, no_wrap=True)
    for name in ("task", "jobs", "export"):
        table.add_column(name, overflow="fold")
    for batch in seen.batches:
        task, export = Text(batch.task_url or "-"), Text(batch.exports[-1] if batch.exports else "-")
        table.add_row(Text(batch.id), _state(batch), str(batch.objects), task, Text(jobs_told(batch)), export)
    console.print(table if seen.batches else "no batches yet: put a file into a source, or `labelyard doctor`")
    for line in [*(line for batch in seen.batches for line in remarks(batch)), *general_remarks(seen)]:
        click.secho(line, fg="yellow")
    if seen.open_jobs:
        click.echo("open jobs: " + ", ".join(f"{who} {n}" for who, n in sorted(seen.open_jobs.items())))


def _state(batch: BatchSummary) -> Text:
    colour = {"failed": "red", "quarantined": "red", "exported": "green"}.get(batch.state, "cyan")
    return Text(batch.state + (" (working)" if batch.leased_by else ""), style=colour)


@click.command()
@click.argument("batch")
def retry(batch: str) -> None:
    """Let a failed or waiting BATCH be tried again at once, from where it stopped."""
    with _ledger() as ledger, ledger.transaction() as tx:
        row = batches.get(tx, batch, lock=True)
        event = batches.retry(tx, row)
    waits = "until it closes" if row.state is BatchState.OPEN else "for people, and collect-finished looks at it"
    told = f"{event} will be announced by the watcher" if event else f"no run is due, it waits {waits}"
    click.echo(f"{batch} is {row.state}: {told}")


@click.command()
@click.argument("dataset")
def close(dataset: str) -> None:
    """Close the open batch of DATASET now, without waiting for its rules."""
    with open_context() as context:
        batch = close_now(context, dataset)
    click.echo(f"{batch.id} closed with {batch.objects} objects; the watcher announces it")


@click.group()
def db() -> None:
    """The ledger's database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the ledger's schema to this labelyard's, making the database if there is none."""
    settings = load_settings()
    revision = upgrade(settings.ledger)
    ledger = Ledger(settings.ledger)
    click.echo(f"{ledger.name}: schema {revision}")
    ledger.close()


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
