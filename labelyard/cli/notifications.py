"""notify: let the buckets of a dataset tell the watcher's queue of new and deleted files."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.config import DatasetSpec, read_spec
from labelyard.ledger import Ledger, datasets
from labelyard.settings import Settings, load_settings
from labelyard.sources.notification_plan import Plan
from labelyard.sources.notification_setup import Notifier


@click.command()
@click.argument("dataset")
@click.option("--apply", "carry_out", is_flag=True, help="Do it; without this it is only shown.")
def notifications(dataset: str, carry_out: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show what makes the buckets of DATASET tell a queue of new and deleted files, and with --apply make it.

    DATASET is the name of an applied dataset, or a dataset file. The queue is the one of LABELYARD_WATCH__QUEUE_URL,
    else one called labelyard. What else is configured in the buckets and the queue stays as it is.
    """
    settings = load_settings()
    spec = _spec(settings, dataset)
    notifier = Notifier(settings)
    plan = notifier.apply(spec) if carry_out else notifier.plan(spec)
    _show(plan, done=carry_out)
    click.echo(_next(settings, notifier, plan, dataset, done=carry_out))


def _spec(settings: Settings, dataset: str) -> DatasetSpec:
    if Path(dataset).suffix in (".yaml", ".yml"):
        return read_spec(Path(dataset))
    ledger = Ledger(settings.ledger)
    try:
        with ledger.read_only() as tx:
            return datasets.spec(tx, dataset)
    finally:
        ledger.close()


def _show(plan: Plan, *, done: bool) -> None:
    table = Table(pad_edge=False)
    for name in ("", "where", "done" if done else "to do"):
        table.add_column(name, overflow="fold")
    for line in plan.lines:
        colour = "green" if done or not line.changes else "yellow"
        table.add_row(line.what, Text(line.where), Text(line.does, style=colour))
    console = Console()
    console.print(table)
    for problem in plan.problems:
        console.print(Text(f"settle first: {problem}"), style="red")


def _next(settings: Settings, notifier: Notifier, plan: Plan, dataset: str, *, done: bool) -> str:
    if plan.problems or (plan.changes and not done):
        return f"next: labelyard notifications {dataset} --apply"
    if settings.watch.queue_url:
        return "next: labelyard up, or labelyard watch"
    return f"next: write LABELYARD_WATCH__QUEUE_URL={notifier.url} into .env, then labelyard up, or labelyard watch"
