"""set-aside, restore, abandon, pause, resume: what a person decides."""

from __future__ import annotations

import click

from labelyard.context import open_context
from labelyard.operations import manual

_why = click.option("--why", required=True, help="The reason; it stands in the history, and `labelyard why` tells it.")


@click.command("set-aside")
@click.argument("address", metavar="S3URL")
@_why
def quarantine(address: str, why: str) -> None:
    """Take an object out of its batch, or, once it was uploaded, out of the next export."""
    with open_context() as context:
        manual.quarantine(context, address, why)
    click.echo(f"{address} is set aside; back with: labelyard restore {address}")


@click.command()
@click.argument("address", metavar="S3URL")
def restore(address: str) -> None:
    """Bring back an object that was set aside."""
    with open_context() as context:
        row = manual.restore(context, address)
    click.echo(f"{address} is part of {row.batch_id} again")


@click.command()
@click.argument("batch")
@_why
def cancel(batch: str, why: str) -> None:
    """Give BATCH up; its task stays in CVAT, and `restore` brings single objects back."""
    with open_context() as context:
        manual.cancel(context, batch, why)
    click.echo(f"{batch} is abandoned; its objects come back one by one with: labelyard restore S3URL")


@click.command()
@click.argument("batch_ids", metavar="BATCH...", nargs=-1, required=True)
def archive(batch_ids: tuple[str, ...]) -> None:
    """Let go of exported batches: they are no longer looked at, and their tasks may be deleted; the files stay."""
    with open_context() as context:
        for batch in batch_ids:
            manual.archive(context, batch)
            click.echo(f"{batch} is released")


@click.command()
@click.argument("dataset")
@click.option("--why", default="", help="The reason, for whoever wonders.")
def pause(dataset: str, why: str) -> None:
    """Begin nothing new for DATASET; objects still land, and what runs now finishes."""
    with open_context() as context:
        manual.pause(context, dataset, why)
    click.echo(f"{dataset} is paused; go on with: labelyard resume {dataset}")


@click.command()
@click.argument("dataset")
def resume(dataset: str) -> None:
    """Let a paused DATASET go on."""
    with open_context() as context:
        waiting = manual.resume(context, dataset)
    click.echo(f"{dataset} goes on; {waiting} batches waited")


@click.command()
@click.argument("dataset")
def retire(dataset: str) -> None:
    """Let nothing more land in DATASET: its sources are not listed again; what landed before goes on to its end."""
    with open_context() as context:
        manual.retire(context, dataset)
    click.echo(f"{dataset} is retired; back with: labelyard apply FILE")
