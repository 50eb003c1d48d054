"""`labelyard status`."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from labelyard.ledger import Ledger
from labelyard.ledger.overview import Overview
from labelyard.operations.status import problems, read_status
from labelyard.settings import load_settings


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
        from labelyard.cli.status_table import print_batches  # noqa: PLC0415 - rich is slow to import

        print_batches(seen.batches)
    else:
        click.echo("no batches yet: put a file into a source, or `labelyard doctor`")
    for line in problems(seen, every=every):
        click.secho(line, fg="yellow")
    if seen.open_jobs:
        click.echo("open jobs: " + ", ".join(f"{who} {count}" for who, count in sorted(seen.open_jobs.items())))


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
