"""notifications: let the buckets of a dataset notify the watcher's queue, and its CVAT post changed jobs to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
from rich.text import Text

from labelyard.blocks import complete
from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.config import DatasetSpec
from labelyard.config.loading import read_spec
from labelyard.context import open_context
from labelyard.ledger import Ledger, datasets
from labelyard.operations.cvat_webhook import webhook_setup
from labelyard.settings import Settings, load_settings, write_setting
from labelyard.sources.notification_plan import NotificationSetup, PlanItem
from labelyard.sources.queues import notification_setup
from labelyard.sources.webhook_plan import WebhookPlan
from labelyard.sources.webhook_setup import wants_webhook

_QUEUE_URL = "LABELYARD_WATCH__QUEUE_URL"
_NEXT = "next: labelyard up, or labelyard watch"


@dataclass(frozen=True)
class NotificationSteps:
    """What makes a dataset's buckets and its CVAT notify labelyard, done or to be done."""

    dataset: str
    applied: bool
    """Whether --apply carried the steps out."""
    steps: Sequence[PlanItem]
    problems: Sequence[str]
    """What a person must solve first."""
    store_commands: Sequence[str]
    """Commands for a person at the store, which labelyard cannot carry out for this type of queue."""
    next: str


@click.command()
@click.argument("dataset")
@click.option("--apply", "carry_out", is_flag=True, help="Carry the plan out; without this it is only shown.")
@json_option(NotificationSteps)
def notifications(dataset: str, *, carry_out: bool, as_json: bool) -> None:
    """Show what makes the buckets of DATASET notify a queue of new and deleted files; --apply carries it out.

    DATASET is the name of an applied dataset, or a dataset file. The queue is that of LABELYARD_WATCH__QUEUE_URL, or
    one named labelyard. All other configuration of the buckets and the queue is kept.

    With LABELYARD_CVAT__<NAME>__WEBHOOK__URL and __SECRET it also makes the CVAT 2.x of DATASET post changed jobs to
    the watcher, by a webhook of its organization or its project. Other webhooks are kept.
    """
    settings = complete(load_settings())
    spec = _spec(settings, dataset)
    webhook, watch = _cvat_webhook(settings, spec, carry_out=carry_out), settings.watch
    if webhook is not None and watch.queue_url is None and (watch.webhook or watch.sweep_only):
        done = carry_out or not webhook.changes  # the store notifies no queue
        _print(
            NotificationSteps(dataset, carry_out, webhook.items, (), (), _NEXT if done else _apply_next(dataset)),
            as_json=as_json,
        )
        return
    setup = notification_setup(settings)
    plan = setup.apply(spec) if carry_out else setup.plan(spec)
    todo = not carry_out and (plan.changes or (webhook is not None and webhook.changes))
    following = _next(settings, setup, dataset, todo=todo or bool(plan.problems), done=carry_out)
    items = [*plan.items, *(webhook.items if webhook else ())]
    steps = NotificationSteps(dataset, carry_out, items, plan.problems, plan.store_commands, following)
    _print(steps, as_json=as_json)


def _cvat_webhook(settings: Settings, spec: DatasetSpec, *, carry_out: bool) -> WebhookPlan | None:
    """Plan or apply the webhook of the dataset's CVAT; None if the settings want none."""
    if not wants_webhook(settings, spec):
        return None
    with open_context(settings) as context:
        setup = webhook_setup(context, spec)
        return setup.apply() if carry_out else setup.plan()


def _spec(settings: Settings, dataset: str) -> DatasetSpec:
    if Path(dataset).suffix in (".yaml", ".yml"):
        return read_spec(Path(dataset))
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        return datasets.spec(tx, dataset)


def _print(found: NotificationSteps, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        (item.subject, item.where, Text(item.action, style="green" if found.applied or not item.changes else "yellow"))
        for item in found.steps
    ]
    print_table(("", "where", "done" if found.applied else "to do"), rows)
    for problem in found.problems:
        click.secho(f"solve first: {problem}", fg="red")
    if found.store_commands:
        click.echo("in the store, once (labelyard cannot see whether it is done):")
        click.echo("\n".join(f"  {command}" for command in found.store_commands))
    click.echo(found.next)


def _next(settings: Settings, setup: NotificationSetup, dataset: str, *, todo: bool, done: bool) -> str:
    if todo:
        return _apply_next(dataset)
    if settings.watch.queue_url or setup.queue_url is None:
        return _NEXT
    if not done:
        return f"{_apply_next(dataset)}, which writes the queue's address into .env"
    write_setting(_QUEUE_URL, setup.queue_url)
    return f".env: {_QUEUE_URL}={setup.queue_url}\n{_NEXT}"


def _apply_next(dataset: str) -> str:
    return f"next: labelyard notifications {dataset} --apply"
