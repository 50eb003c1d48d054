"""`labelyard quarantine`, `restore`, `cancel`, `archive`, `pause`, `resume`, `retire`: decisions of a person."""

from __future__ import annotations

import click

from labelyard.cli.plan import apply_schedules
from labelyard.context import open_context
from labelyard.escaping import printable
from labelyard.ledger import datasets
from labelyard.operations import manual

_why = click.option("--why", required=True, help="The reason, for the history and for `labelyard why`.")


@click.command()
@click.argument("address", metavar="S3URL")
@_why
def quarantine(address: str, why: str) -> None:
    """Take an object out of its batch or, after its upload, out of the next export."""
    with open_context() as context:
        manual.quarantine(context, address, why)
    click.echo(printable(f"{address} is quarantined; undo with: labelyard restore {address}"))


@click.command()
@click.argument("address", metavar="S3URL")
def restore(address: str) -> None:
    """Bring back an object that is quarantined or in a cancelled batch."""
    with open_context() as context:
        row = manual.restore(context, address)
    click.echo(printable(f"{address} is part of {row.batch_id} again"))


@click.command()
@click.argument("batch")
@_why
def cancel(batch: str, why: str) -> None:
    """Cancel BATCH for good; its task stays in CVAT unless it is empty. `restore` brings single objects back."""
    with open_context() as context:
        manual.cancel(context, batch, why)
    click.echo(f"{batch} is cancelled; bring its objects back one by one with: labelyard restore S3URL")


@click.command()
@click.argument("batch_ids", metavar="BATCH...", nargs=-1, required=True)
def archive(batch_ids: tuple[str, ...]) -> None:
    """Stop checking exported batches: their tasks may be deleted, their files stay."""
    with open_context() as context:
        for batch in batch_ids:
            manual.archive(context, batch)
            click.echo(f"{batch} is archived")


@click.command()
@click.argument("dataset")
@click.option("--why", default="", help="The reason, for everybody who asks.")
def pause(dataset: str, why: str) -> None:
    """Start no new run for DATASET; objects are still registered, and running work finishes."""
    with open_context() as context:
        manual.pause(context, dataset, why)
    click.echo(f"{dataset} is paused; continue with: labelyard resume {dataset}")


@click.command()
@click.argument("dataset")
def resume(dataset: str) -> None:
    """Start runs for a paused DATASET again."""
    with open_context() as context:
        waiting = manual.resume(context, dataset)
    click.echo(f"{dataset} continues; {waiting} batches waited")


@click.command()
@click.argument("dataset")
def retire(dataset: str) -> None:
    """Register no new objects in DATASET; its existing batches continue. Its schedules in Prefect are deleted."""
    with open_context() as context:
        with context.ledger.read_only() as tx:
            has_schedule = bool(datasets.spec(tx, dataset).schedule.timings())
        manual.retire(context, dataset)
        click.echo(f"{dataset} is retired; undo with: labelyard apply FILE")
        apply_schedules(context.settings, {dataset: {}} if has_schedule else {})
