"""repair, rebuild, adopt: when ledger, CVAT and bucket disagree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.context import open_context
from labelyard.domain.repair_plan import Action
from labelyard.operations import adopt as adoption
from labelyard.operations import repair as repairing


@click.command()
@click.option("--dataset", help="Look at this dataset alone.")
@click.option("--apply", "do", is_flag=True, help="Fix what can be fixed automatically.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def repair(dataset: str | None, do: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Compare ledger, bucket and CVAT, show the differences as a plan, and fix them with --apply."""
    with open_context() as context:
        plan = repairing.survey(context, dataset)
        left = repairing.apply(context, plan) if do else []
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in plan], indent=1))
        return
    table = Table("where", "what", "fix")
    for finding in plan:
        table.add_row(Text(finding.where), Text(finding.what), Text(finding.action))
    if plan:
        Console().print(table)
    waiting = sum(finding.action is not Action.REPORT for finding in plan)
    if not plan:
        click.echo("ledger, bucket and CVAT agree")
    elif do:
        click.echo(f"{waiting - len(left)} fixed; the watcher and the next sweep go on from there")
        for finding, error in left:
            click.secho(f"{finding.where}: not fixed: {error}", fg="yellow")
    elif waiting:
        click.echo(f"{waiting} can be fixed with: labelyard repair --apply")


@click.command()
def rebuild() -> None:
    """Rebuild a lost ledger from the bucket, CVAT's task names and the exports; apply the dataset files first."""
    with open_context() as context:
        _show(adoption.rebuild(context))


@click.command()
@click.argument("dataset")
@click.argument("task_ids", metavar="TASK...", type=int, nargs=-1, required=True)
def adopt(dataset: str, task_ids: tuple[int, ...]) -> None:
    """Take CVAT tasks that were made by hand into DATASET, each as a batch; jobs and annotations stay as they are."""
    with open_context() as context:
        _show(adoption.adopt(context, dataset, task_ids))


def _show(taken: Sequence[adoption.AdoptedTask]) -> None:
    for one in taken:
        click.echo(f"{one.batch_id}: task {one.task_id}, {one.frames} frames")
        for frame in one.unknown:
            click.secho(f"  {frame}: matches no object of the dataset", fg="yellow")
    click.echo(f"{len(taken)} tasks taken over; the next look finds which are complete")
