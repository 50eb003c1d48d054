"""status, why, retry, close, db: what the ledger knows, and a person's hand in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.errors import NotKnown, ObjectGone, StoreError
from labelyard.ledger import Ledger, batches, datasets, history, objects, upgrade
from labelyard.ledger.overview import BatchLine, Overview, overview
from labelyard.ledger.tables import Object
from labelyard.model import JobStatus
from labelyard.plan.lifecycle import BatchState
from labelyard.settings import load_settings
from labelyard.steps.by_hand import bucket_and_key
from labelyard.steps.closing import close_now
from labelyard.workplace import Workplace, open_workplace

_PIPED_WIDTH = 200


@contextmanager
def _ledger() -> Iterator[Ledger]:
    ledger = Ledger(load_settings().ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@click.command()
@click.option("--dataset", help="Only this dataset's batches.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(dataset: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show every batch: how far it is, its task, who has its jobs, what went wrong and what to do."""
    with _ledger() as ledger, ledger.read() as session:
        seen = overview(session, ledger.now(session), dataset=dataset)
    if as_json:
        click.echo(json.dumps(asdict(seen), default=_jsonable, indent=1))
    else:
        _show(seen)


def _show(seen: Overview) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    table = Table(pad_edge=False)
    for name in ("batch", "state", "objects"):
        table.add_column(name, no_wrap=True)
    for name in ("task", "jobs", "export"):
        table.add_column(name, overflow="fold")
    for batch in seen.batches:
        task, export = Text(batch.task_url or "-"), Text(batch.exports[-1] if batch.exports else "-")
        table.add_row(Text(batch.id), _state(batch), str(batch.objects), task, Text(_jobs(batch)), export)
    console.print(table if seen.batches else "no batches yet: put a file into a source, or `labelyard doctor`")
    for line in [*(line for batch in seen.batches for line in _remarks(batch)), *_general_remarks(seen)]:
        click.secho(line, fg="yellow")
    if seen.open_jobs:
        click.echo("open jobs: " + ", ".join(f"{who} {n}" for who, n in sorted(seen.open_jobs.items())))


def _general_remarks(seen: Overview) -> Iterator[str]:
    for cvat, error in seen.away.items():
        yield f"CVAT {cvat} is left alone for a while, it is tried again by itself: {error}\n  next: labelyard doctor"
    for dataset, reason in seen.paused.items():
        yield f"{dataset} is paused{': ' + reason if reason else ''}\n  next: labelyard resume {dataset}"
    for url, reason in seen.kept_out.items():
        yield f"{url} set aside: {reason}\n  next: labelyard restore {url}"
    if seen.dead_letters:
        yield f"{seen.dead_letters} messages could not be read: labelyard dead"


def _state(batch: BatchLine) -> Text:
    colour = {"failed": "red", "set_aside": "red", "exported": "green"}.get(batch.state, "cyan")
    return Text(batch.state + (" (working)" if batch.working else ""), style=colour)


def _jobs(batch: BatchLine) -> str:
    done = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
    people = ", ".join(sorted({job.assignee or "nobody" for job in batch.jobs}))
    return f"{done}/{len(batch.jobs)} done: {people}" if batch.jobs else "-"


def _remarks(batch: BatchLine) -> Iterator[str]:
    if batch.error:
        when = f", tried again after {batch.not_before:%H:%M:%S} UTC" if batch.not_before else ""
        yield f"{batch.id}: {batch.error.rstrip('.')}{when}\n  next: {batch.next_step}"
    if batch.warning:
        yield f"{batch.id}: {batch.warning}"
    for url, reason in batch.set_aside.items():
        yield f"{batch.id}: {url} set aside: {reason}"


@click.command()
@click.argument("what", metavar="S3URL|BATCH")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def why(what: str, as_json: bool) -> None:  # noqa: FBT001
    """Tell the whole history of an object (s3://bucket/key) or of a batch: every decision, with time and reason."""
    with open_workplace() as place:
        stories = list(_stories(place, what))
    if as_json:
        click.echo(
            json.dumps(
                [{"about": about, "history": [asdict(e) for e in told]} for about, told in stories],
                default=_jsonable,
                indent=1,
            )
        )
        return
    for about, told in stories:
        click.secho(about, bold=True)
        for entry in told:
            click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.what:<14} {entry.reason}")


def _stories(place: Workplace, what: str) -> Iterator[tuple[str, list[history.Entry]]]:
    if not what.startswith("s3://"):
        with place.ledger.read() as session:
            batch = batches.get(session, what)
            yield f"{batch.id}: {batch.state}", history.of_batch(session, batch.id)
        return
    bucket, key = bucket_and_key(what)
    with place.ledger.read() as session:
        found = objects.named(session, bucket, key)
        for obj in found:
            yield _about(obj), history.of_object(session, obj)
    if not found:
        raise NotKnown(_never_landed(place, bucket, key), where=what, next_step="labelyard doctor")


def _about(obj: Object) -> str:
    place = f"set aside: {obj.refused}" if obj.refused else f"in {obj.batch_id}" if obj.batch_id else "a marker"
    name = f" as {obj.upload_name}" if obj.upload_name else ""
    return f"{obj.stored.url} ({obj.etag}): {place}{name}"


def _never_landed(place: Workplace, bucket: str, key: str) -> str:
    """Why nothing is known of a key: no dataset takes it, or it does not exist, or nobody has told of it yet."""
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session)]
    refusals = {spec.name: spec.refusal(bucket, key) for spec in specs}
    takers = [name for name, refusal in refusals.items() if refusal is None]
    if not takers:
        reasons = (
            "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
            or "there are no datasets: labelyard apply FILE"
        )
        return f"never landed, no dataset takes it ({reasons})"
    try:
        place.store.head(bucket, key)
    except ObjectGone:
        return f"never landed: there is no such object (dataset {takers[0]} would take it)"
    except StoreError as error:
        return f"never landed, and the store does not answer: {error.what}"
    return f"it exists and dataset {takers[0]} takes it, but nobody has told of it yet: the next sweep will land it"


@click.command()
@click.argument("batch")
def retry(batch: str) -> None:
    """Let a failed or waiting BATCH be tried again at once, from where it stopped."""
    with _ledger() as ledger, ledger.write() as session:
        row = batches.get(session, batch, lock=True)
        event = batches.retry(ledger, session, row)
    waits = "until it closes" if row.state is BatchState.OPEN else "for people, and collect-finished looks at it"
    told = f"{event} will be announced by the watcher" if event else f"no run is due, it waits {waits}"
    click.echo(f"{batch} is {row.state}: {told}")


@click.command()
@click.argument("dataset")
def close(dataset: str) -> None:
    """Close the open batch of DATASET now, without waiting for its rules."""
    with open_workplace() as place:
        batch = close_now(place, dataset)
    click.echo(f"{batch.id} closed with {batch.objects} objects; the watcher announces it")


@click.group()
def db() -> None:
    """The ledger's database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the ledger's schema to this labelyard's, making the database if there is none."""
    settings = load_settings()
    revision = upgrade(settings.ledger)
    ledger = Ledger(settings.ledger)
    click.echo(f"{ledger.name}: schema {revision}")
    ledger.close()


def _jsonable(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
