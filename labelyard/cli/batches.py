"""`labelyard retry`, `close` and `reassign`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.context import open_context
from labelyard.domain.states import BatchState
from labelyard.ledger import Ledger
from labelyard.operations import retry as retrying
from labelyard.settings import load_settings

if TYPE_CHECKING:
    from labelyard.operations.reassign import Reassignment


@dataclass(frozen=True)
class RetriedBatch:
    """A batch after `retry`."""

    batch: str
    state: BatchState
    next: str
    """What happens next, in words."""


@dataclass(frozen=True)
class ClosedBatch:
    """A batch after `close`."""

    batch: str
    objects: int


@dataclass(frozen=True)
class MovedJob:
    """A job that somebody else has now."""

    batch: str
    job: int
    frames: str
    """The first and the last one."""
    to: str
    reason: str
    """Why this person."""


@dataclass(frozen=True)
class KeptWork:
    """Work that stays with its person."""

    batch: str
    what: str
    next: str
    """What a person can do about it."""


@dataclass(frozen=True)
class ReassignedWork:
    """What `reassign` moved and what it did not; a failure is on standard error, with status 1."""

    moved: Sequence[MovedJob]
    kept: Sequence[KeptWork]


@click.command()
@click.argument("batch")
@json_option(RetriedBatch)
def retry(batch: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Try a failed or waiting BATCH again at once, from the step that failed."""
    with closing(Ledger(load_settings().ledger)) as ledger:
        retried = retrying.retry(ledger, batch)
    if as_json:
        print_json(RetriedBatch(batch, retried.state, retried.next_event))
    else:
        click.echo(f"{batch} is {retried.state}: {retried.next_event}")


@click.command()
@click.argument("dataset")
@json_option(list[ClosedBatch])
def close(dataset: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Close the open batches of DATASET now, without waiting for their rules."""
    from labelyard.pipeline.close_batches import close_now  # noqa: PLC0415 - slow to import

    with open_context() as context:
        closed = [ClosedBatch(batch.id, batch.objects) for batch in close_now(context, dataset)]
    if as_json:
        print_json(closed)
        return
    for one in closed:
        click.echo(f"{one.batch} closed with {one.objects} objects; the watcher publishes its event")


@click.command()
@click.argument("person")
@click.option("--to", help="Who gets them; by default the others of the dataset file, jobs by its policy.")
@click.option("--dataset", help="Only the jobs of this dataset.")
@json_option(ReassignedWork)
def reassign(person: str, to: str | None, dataset: str | None, *, as_json: bool) -> None:
    """Give the unfinished jobs of PERSON to others; what was drawn stays.

    Jobs go to the other annotators, reviews to the other reviewers, ground truth and replicas to those who may have
    them. What cannot be moved is named with the reason. Nobody reviews a job that they drew, or gets two replicas of
    one job.
    """
    from labelyard.operations.reassign import reassign as reassign_jobs  # noqa: PLC0415 - slow to import

    with open_context() as context:
        reassignment = reassign_jobs(context, person, to, dataset)
    if as_json:
        print_json(_document(reassignment))
        reassignment.require_complete()
        return
    for one in reassignment.done:
        for job in one.jobs:
            click.echo(f"{one.batch_id}: job {job.job_id} (frames {job.frames}) to {job.annotator}: {job.reason}")
        for kept in one.kept:
            if kept.is_decision:
                click.echo(f"{one.batch_id}: {kept.what}: {kept.next_step}")
    reassignment.require_complete()


def _document(reassignment: Reassignment) -> ReassignedWork:
    return ReassignedWork(
        [
            MovedJob(one.batch_id, job.job_id, job.frames, job.annotator, job.reason)
            for one in reassignment.done
            for job in one.jobs
        ],
        [KeptWork(one.batch_id, kept.what, kept.next_step) for one in reassignment.done for kept in one.kept],
    )
