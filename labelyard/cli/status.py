"""`labelyard status`."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.text import Text

from labelyard.cli.table import Cell, print_table
from labelyard.ledger import Ledger
from labelyard.ledger.overview import BatchSummary, Overview
from labelyard.operations.status import jobs_summary, problems, read_status, state_and_activity
from labelyard.settings import load_settings

_COLUMNS = ("batch", "state", "objects", "jobs", "task", "export")
_COLOURS = {"failed": "red", "quarantined": "red", "exported": "green"}


@click.command()
@click.option("--dataset", help="Only this dataset's batches.")
@click.option("--all", "every", is_flag=True, help="List each quarantined object, not only the reasons.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def status(dataset: str | None, every: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show every batch: its state, its task, who has its jobs, what went wrong and the next command."""
    with closing(Ledger(load_settings().ledger)) as ledger:
        seen = read_status(ledger, dataset)
    if as_json:
        click.echo(json.dumps(asdict(seen), default=_jsonable, indent=1))
    else:
        _show(seen, every=every)


def _show(seen: Overview, *, every: bool) -> None:
    if seen.batches:
        print_table(_COLUMNS, list(map(_row, seen.batches)))
    else:
        click.echo("no batches yet: put a file into a source, or `labelyard doctor`")
    for line in problems(seen, every=every):
        click.secho(line, fg="yellow")
    if seen.open_jobs:
        click.echo("open jobs: " + ", ".join(f"{who} {count}" for who, count in sorted(seen.open_jobs.items())))


def _row(batch: BatchSummary) -> list[Cell]:
    export = batch.exports[-1] if batch.exports else "-"
    return [batch.id, _state(batch), str(batch.objects), jobs_summary(batch), batch.task_url or "-", export]


def _state(batch: BatchSummary) -> Text:
    return Text(state_and_activity(batch), style=_COLOURS.get(batch.state, "cyan"))


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
