"""`labelyard status`."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from labelyard.ledger import Ledger
from labelyard.ledger.overview import Overview
from labelyard.operations.status import jobs_summary, problems, read_status, state_with_lease
from labelyard.settings import load_settings

_PIPED_WIDTH = 200
_NARROW = 120
"""Below this many columns a table would cut addresses."""


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
    width = shutil.get_terminal_size((_PIPED_WIDTH, 50)).columns
    if not seen.batches:
        click.echo("no batches yet: put a file into a source, or `labelyard doctor`")
    elif width < _NARROW:
        _list(seen)
    else:
        from labelyard.cli.status_table import print_table  # noqa: PLC0415 - rich is slow to import

        print_table(seen.batches, width)
    for line in problems(seen, every=every):
        click.secho(line, fg="yellow")
    if seen.open_jobs:
        click.echo("open jobs: " + ", ".join(f"{who} {count}" for who, count in sorted(seen.open_jobs.items())))


def _list(seen: Overview) -> None:
    """Print one block of lines per batch, which no terminal is too narrow for: addresses stay whole."""
    for batch in seen.batches:
        click.secho(f"{batch.id}  {state_with_lease(batch)}", bold=True)
        click.echo(f"  objects {batch.objects}\n  jobs {jobs_summary(batch)}\n  task {batch.task_url or '-'}")
        click.echo(f"  export {batch.exports[-1] if batch.exports else '-'}")


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
