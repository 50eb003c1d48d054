"""`labelyard retry`, `close` and `reassign`."""

from __future__ import annotations

from contextlib import closing

import click

from labelyard.context import open_context
from labelyard.ledger import Ledger
from labelyard.operations import reassign as reassigning
from labelyard.operations import retry as retrying
from labelyard.pipeline.close_batches import close_now
from labelyard.settings import load_settings


@click.command()
@click.argument("batch")
def retry(batch: str) -> None:
    """Try a failed or waiting BATCH again at once, from the step that failed."""
    with closing(Ledger(load_settings().ledger)) as ledger:
        retried = retrying.retry(ledger, batch)
    click.echo(f"{batch} is {retried.state}: {retried.next_event}")


@click.command()
@click.argument("dataset")
def close(dataset: str) -> None:
    """Close the open batches of DATASET now, without waiting for their rules."""
    with open_context() as context:
        closed = close_now(context, dataset)
    for batch in closed:
        click.echo(f"{batch.id} closed with {batch.objects} objects; the watcher publishes its event")


@click.command()
@click.argument("person")
@click.option("--to", help="Who gets them; by default the others of the dataset file, jobs by its policy.")
@click.option("--dataset", help="Only the jobs of this dataset.")
def reassign(person: str, to: str | None, dataset: str | None) -> None:
    """Give the unfinished jobs of PERSON to others; what was drawn stays.

    Jobs go to the other annotators, reviews to the other reviewers, ground truth and replicas to those who may have
    them. What cannot be moved is named with the reason. Nobody reviews a job that they drew, or gets two replicas of
    one job.
    """
    with open_context() as context:
        reassignment = reassigning.reassign(context, person, to, dataset)
    for one in reassignment.done:
        for job in one.jobs:
            click.echo(f"{one.batch_id}: job {job.job_id} (frames {job.frames}) to {job.annotator}: {job.reason}")
        for kept in one.kept:
            if kept.is_decision:
                click.echo(f"{one.batch_id}: {kept.what}: {kept.next_step}")
    reassignment.require_complete()
