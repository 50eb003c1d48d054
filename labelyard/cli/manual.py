"""`labelyard quarantine`, `restore`, `cancel`, `archive`, `pause`, `resume`, `retire`: decisions of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.plan import apply_schedules, show_schedules
from labelyard.context import open_context
from labelyard.domain.plan import Difference
from labelyard.domain.states import BatchState
from labelyard.escaping import printable
from labelyard.ledger import datasets
from labelyard.operations import manual

_why = click.option("--why", required=True, help="The reason, for the history and for `labelyard why`.")


@dataclass(frozen=True)
class DecidedObject:
    """An object after `quarantine` or `restore`."""

    object: str
    """Its address, s3://bucket/key."""
    quarantined: bool
    batch: str | None
    """The batch that it is in, or was in before the quarantine."""


@dataclass(frozen=True)
class DecidedBatch:
    """A batch after `cancel` or `archive`."""

    batch: str
    state: BatchState


@dataclass(frozen=True)
class DecidedDataset:
    """A dataset after `pause`, `resume` or `retire`."""

    dataset: str
    state: str
    """active, paused or retired."""
    waited: int = 0
    """`resume`: how many batches waited."""
    schedules: Sequence[Difference] = ()
    """`retire`: the schedules that were deleted in Prefect."""


@click.command()
@click.argument("address", metavar="S3URL")
@_why
@json_option(DecidedObject)
def quarantine(address: str, why: str, *, as_json: bool) -> None:
    """Take an object out of its batch or, after its upload, out of the next export."""
    with open_context() as context:
        row = manual.quarantine(context, address, why)
    if as_json:
        print_json(DecidedObject(address, row.quarantine_reason is not None, row.batch_id))
    else:
        click.echo(printable(f"{address} is quarantined; undo with: labelyard restore {address}"))


@click.command()
@click.argument("address", metavar="S3URL")
@json_option(DecidedObject)
def restore(address: str, *, as_json: bool) -> None:
    """Bring back an object that is quarantined or in a cancelled batch."""
    with open_context() as context:
        row = manual.restore(context, address)
    if as_json:
        print_json(DecidedObject(address, row.quarantine_reason is not None, row.batch_id))
    else:
        click.echo(printable(f"{address} is part of {row.batch_id} again"))


@click.command()
@click.argument("batch")
@_why
@json_option(DecidedBatch)
def cancel(batch: str, why: str, *, as_json: bool) -> None:
    """Cancel BATCH for good; its task stays in CVAT unless it is empty. `restore` brings single objects back."""
    with open_context() as context:
        cancelled = manual.cancel(context, batch, why)
    if as_json:
        print_json(DecidedBatch(batch, cancelled.state))
    else:
        click.echo(f"{batch} is cancelled; bring its objects back one by one with: labelyard restore S3URL")


@click.command()
@click.argument("batch_ids", metavar="BATCH...", nargs=-1, required=True)
@json_option(list[DecidedBatch], "Print the batches that were archived as JSON, those before an error, too.")
def archive(batch_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Stop checking exported batches: their tasks may be deleted, their files stay."""
    archived: list[DecidedBatch] = []
    try:
        with open_context() as context:
            for batch in batch_ids:
                archived.append(DecidedBatch(batch, manual.archive(context, batch).state))
                if not as_json:
                    click.echo(f"{batch} is archived")
    finally:
        if as_json:
            print_json(archived)


@click.command()
@click.argument("dataset")
@click.option("--why", default="", help="The reason, for everybody who asks.")
@json_option(DecidedDataset)
def pause(dataset: str, why: str, *, as_json: bool) -> None:
    """Start no new run for DATASET; objects are still registered, and running work finishes."""
    with open_context() as context:
        manual.pause(context, dataset, why)
    if as_json:
        print_json(DecidedDataset(dataset, "paused"))
    else:
        click.echo(f"{dataset} is paused; continue with: labelyard resume {dataset}")


@click.command()
@click.argument("dataset")
@json_option(DecidedDataset)
def resume(dataset: str, *, as_json: bool) -> None:
    """Start runs for a paused DATASET again."""
    with open_context() as context:
        waiting = manual.resume(context, dataset)
    if as_json:
        print_json(DecidedDataset(dataset, "active", waited=waiting))
    else:
        click.echo(f"{dataset} continues; {waiting} batches waited")


@click.command()
@click.argument("dataset")
@json_option(DecidedDataset)
def retire(dataset: str, *, as_json: bool) -> None:
    """Register no new objects in DATASET; its existing batches continue. Its schedules in Prefect are deleted."""
    with open_context() as context:
        with context.ledger.read_only() as tx:
            has_schedule = bool(datasets.spec(tx, dataset).schedule.timings())
        manual.retire(context, dataset)
        if not as_json:
            click.echo(f"{dataset} is retired; undo with: labelyard apply FILE")
        deleted = apply_schedules(context.settings, {dataset: {}} if has_schedule else {})
    if as_json:
        print_json(DecidedDataset(dataset, "retired", schedules=deleted))
    else:
        show_schedules(deleted)
