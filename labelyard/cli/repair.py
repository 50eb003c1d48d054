"""`labelyard repair`, `rebuild`, `adopt`: for when ledger, CVAT and bucket differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from labelyard.cli.table import print_table
from labelyard.context import open_context
from labelyard.domain.repair_plan import Discrepancy
from labelyard.errors import LabelyardError
from labelyard.escaping import printable
from labelyard.operations import adopt as adoption
from labelyard.operations import repair as repairs
from labelyard.operations.recover_releases import recover_releases


@click.command()
@click.option("--dataset", help="Only this dataset.")
@click.option("--apply", "do", is_flag=True, help="Fix what can be fixed automatically.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def repair(dataset: str | None, do: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Compare ledger, bucket and CVAT, show the differences as a plan, and fix them with --apply."""
    with open_context() as context:
        plan = repairs.survey(context, dataset)
        failed = repairs.apply(context, plan) if do else []
    if as_json:
        click.echo(json.dumps([asdict(discrepancy) for discrepancy in plan], indent=1))
        return
    _show_plan(plan)
    count = len(repairs.fixable(plan))
    if do and plan:
        _show_outcome(count - len(failed), failed)
    elif count:
        click.echo(f"{count} can be fixed with: labelyard repair --apply")


def _show_plan(plan: Sequence[Discrepancy]) -> None:
    if not plan:
        click.echo("ledger, bucket and CVAT agree")
        return
    rows = [(printable(one.where), printable(one.what), str(one.action)) for one in plan]
    print_table(("where", "what", "fix"), rows)


def _show_outcome(fixed: int, failed: Sequence[tuple[Discrepancy, LabelyardError]]) -> None:
    click.echo(f"{fixed} fixed; the watcher and the next sweep continue from there")
    for discrepancy, error in failed:
        click.secho(f"{discrepancy.where}: not fixed: {error}", fg="yellow")


@click.command()
def rebuild() -> None:
    """Rebuild a lost ledger from the bucket, CVAT's task names and the exports; apply the dataset files first.

    Releases are read back, too, also into a ledger that was restored from a backup: ids, splits and numbers go on.
    """
    with open_context() as context:
        _show_adopted(adoption.rebuild(context))
        for release in recover_releases(context):
            click.echo(f"{release.dataset}: release {release.number} was read back")


@click.command()
@click.argument("dataset")
@click.argument("task_ids", metavar="TASK...", type=int, nargs=-1, required=True)
def adopt(dataset: str, task_ids: tuple[int, ...]) -> None:
    """Put CVAT tasks that a person created into DATASET, one batch each; jobs and annotations stay as they are."""
    with open_context() as context:
        _show_adopted(adoption.adopt(context, dataset, task_ids))


def _show_adopted(adopted: Sequence[adoption.AdoptedTask]) -> None:
    for one in adopted:
        click.echo(f"{one.batch_id}: task {one.task_id}, {one.frames} frames")
        for frame in one.unknown:
            click.secho(f"  {frame}: matches no object of the dataset", fg="yellow")
    click.echo(f"{len(adopted)} tasks adopted; collect-finished finds those that are completed")
