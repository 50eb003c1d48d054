"""`labelyard rebuild`, `adopt`: tasks that the ledger does not know."""

from __future__ import annotations

from collections.abc import Sequence

import click

from labelyard.context import open_context
from labelyard.operations import adopt as adoption
from labelyard.operations.recover_releases import recover_releases


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
