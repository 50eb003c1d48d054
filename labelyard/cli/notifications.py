"""notifications: let the buckets of a dataset notify the watcher's queue of new and deleted files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
from rich.text import Text

from labelyard.blocks import complete
from labelyard.cli.table import print_table
from labelyard.config import DatasetSpec, read_spec
from labelyard.ledger import Ledger, datasets
from labelyard.settings import Settings, load_settings, write_setting
from labelyard.sources.notification_plan import NotificationPlan
from labelyard.sources.notification_setup import NotificationSetup

_QUEUE_URL = "LABELYARD_WATCH__QUEUE_URL"


@click.command()
@click.argument("dataset")
@click.option("--apply", "carry_out", is_flag=True, help="Carry the plan out; without this it is only shown.")
def notifications(dataset: str, carry_out: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show what makes the buckets of DATASET notify a queue of new and deleted files; --apply carries it out.

    DATASET is the name of an applied dataset, or a dataset file. The queue is that of LABELYARD_WATCH__QUEUE_URL, or
    one named labelyard. All other configuration of the buckets and the queue is kept.
    """
    settings = complete(load_settings())
    spec = _spec(settings, dataset)
    setup = NotificationSetup(settings)
    plan = setup.apply(spec) if carry_out else setup.plan(spec)
    _show(plan, done=carry_out)
    click.echo(_next(settings, setup, plan, dataset, done=carry_out))


def _spec(settings: Settings, dataset: str) -> DatasetSpec:
    if Path(dataset).suffix in (".yaml", ".yml"):
        return read_spec(Path(dataset))
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        return datasets.spec(tx, dataset)


def _show(plan: NotificationPlan, *, done: bool) -> None:
    rows = [
        (item.subject, item.where, Text(item.action, style="green" if done or not item.changes else "yellow"))
        for item in plan.items
    ]
    print_table(("", "where", "done" if done else "to do"), rows)
    for problem in plan.problems:
        click.secho(f"solve first: {problem}", fg="red")


def _next(settings: Settings, setup: NotificationSetup, plan: NotificationPlan, dataset: str, *, done: bool) -> str:
    if plan.problems or (plan.changes and not done):
        return f"next: labelyard notifications {dataset} --apply"
    if settings.watch.queue_url or setup.queue_url is None:
        return "next: labelyard up, or labelyard watch"
    if not done:
        return f"next: labelyard notifications {dataset} --apply, which writes the queue's address into .env"
    write_setting(_QUEUE_URL, setup.queue_url)
    return f".env: {_QUEUE_URL}={setup.queue_url}\nnext: labelyard up, or labelyard watch"
