"""`labelyard rebuild`, `adopt`: tasks that the ledger does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import progress_of_steps
from labelyard.context import open_context
from labelyard.operations import adopt as adoption
from labelyard.operations.adopt import AdoptedTask
from labelyard.operations.recover_releases import recover_releases


@dataclass(frozen=True)
class ReadRelease:
    """A release that was read back from the bucket."""

    dataset: str
    number: int


@dataclass(frozen=True)
class RebuiltLedger:
    """What `rebuild` found; an error later is on standard error, with status 1."""

    adopted: Sequence[AdoptedTask]
    releases: Sequence[ReadRelease]


@click.command()
@json_option(RebuiltLedger)
def rebuild(*, as_json: bool) -> None:
    """Rebuild a lost ledger from the bucket, CVAT's task names and the exports; apply the dataset files first.

    Releases are read back, too, also into a ledger that was restored from a backup: ids, splits and numbers go on.
    """
    with open_context() as context:
        with progress_of_steps() as show:
            adopted = adoption.rebuild(context, show)
        if not as_json:
            _show_adopted(adopted)
        read = [ReadRelease(one.dataset, one.number) for one in recover_releases(context)]
    if as_json:
        print_json(RebuiltLedger(adopted, read))
        return
    for release in read:
        click.echo(f"{release.dataset}: release {release.number} was read back")


@click.command()
@click.argument("dataset")
@click.argument("task_ids", metavar="TASK...", type=int, nargs=-1, required=True)
@json_option(list[AdoptedTask])
def adopt(dataset: str, task_ids: tuple[int, ...], *, as_json: bool) -> None:
    """Put CVAT tasks that a person created into DATASET, one batch each; jobs and annotations stay as they are."""
    with open_context() as context:
        adopted = adoption.adopt(context, dataset, task_ids)
    if as_json:
        print_json(adopted)
    else:
        _show_adopted(adopted)


def _show_adopted(adopted: Sequence[AdoptedTask]) -> None:
    for one in adopted:
        click.echo(f"{one.batch_id}: task {one.task_id}, {one.frames} frames")
        for frame in one.unknown:
            click.secho(f"  {frame}: matches no object of the dataset", fg="yellow")
    click.echo(f"{len(adopted)} tasks adopted; collect-finished finds those that are completed")
