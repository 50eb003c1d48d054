"""`labelyard status`."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from labelyard.cli.links import with_links
from labelyard.ledger import Ledger
from labelyard.ledger.overview import Overview
from labelyard.operations.figure_words import headline, lines
from labelyard.operations.figures import Figures, read_figures
from labelyard.operations.status import problems, read_status
from labelyard.settings import load_settings

_SECONDS_BETWEEN_LOOKS = 5.0


@click.command()
@click.option("--dataset", help="Only this dataset.")
@click.option("--all", "every", is_flag=True, help="List each quarantined file, not only the reasons.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.option("--watch", is_flag=True, help="Show it again every few seconds, until Ctrl-C.")
def status(dataset: str | None, every: bool, as_json: bool, watch: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show how things stand, and every batch: its state, its task, its people, what went wrong and what next.

    The figures are those of the operations page (`labelyard open`).
    """
    settings = load_settings()
    with closing(Ledger(settings.ledger)) as ledger:
        while True:
            seen, figures = read_status(ledger, dataset), read_figures(ledger, dataset, settings.zone)
            if watch and not as_json:
                click.clear()
            if as_json:
                document = asdict(seen) | {"figures": figures.document()}
                click.echo(json.dumps(document, default=_jsonable, indent=None if watch else 1))
            else:
                _show(seen, figures, every=every)
            if not watch:
                return
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _show(seen: Overview, figures: Figures, *, every: bool) -> None:
    if not seen.batches and not figures.causes:
        click.echo("no batches yet: put a file into a source, or `labelyard doctor`")
        return
    is_well = not figures.causes and not figures.late
    click.secho(headline(figures), bold=True, fg="green" if is_well else "yellow")
    for line in lines(figures):
        click.echo(with_links(line))
    if seen.batches:
        from labelyard.cli.status_table import print_batches  # noqa: PLC0415 - rich is slow to import

        print_batches(seen.batches, figures.zone)
    for line in problems(seen, every=every, zone=figures.zone):
        click.secho(with_links(line), fg="yellow")


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
