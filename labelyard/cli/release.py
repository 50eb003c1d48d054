"""`labelyard release` and `fetch`."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import progress_of_steps
from labelyard.cli.table import print_table
from labelyard.domain.released import Released
from labelyard.errors import InputError
from labelyard.escaping import printable

if TYPE_CHECKING:
    from labelyard.operations.fetch_release import ReleaseAddress
    from labelyard.storage import Store

_SHOWN_FAULTS = 20


@click.command()
@click.argument("dataset")
@click.option("--dry-run", is_flag=True, help="Say what would be in the release; write nothing.")
@json_option(Released, "Print JSON instead of a table.")
def release(dataset: str, *, dry_run: bool, as_json: bool) -> None:
    """Merge the current exports of DATASET into a release that one can train on, in the bucket.

    It has every image of completed work once, with ids and splits that never change, checksums, and where everything
    comes from. If nothing has changed since the newest release, there is no other one.
    """
    from labelyard.context import open_context  # noqa: PLC0415 - slow to import
    from labelyard.pipeline.release_dataset import release_dataset  # noqa: PLC0415

    with open_context() as context, progress_of_steps() as show:
        released = release_dataset(context, dataset, dry_run=dry_run, on_progress=show)
    if as_json:
        print_json(released)
        return
    rows = [(split, f"{count:,}") for split, count in released.splits.items()]
    print_table(("split", "images"), [*rows, ("all", f"{released.images:,}")])
    print_table(("label", "annotations"), [(printable(one), f"{n:,}") for one, n in sorted(released.labels.items())])
    for reason, count in sorted(released.left_out.items()):
        click.echo(printable(f"not in it: {count:,} images: {reason}"))
    for warning in released.warnings:
        click.secho(printable(f"warning: {warning}"), fg="yellow")
    if dry_run:
        click.echo(f"release {released.number} would be at {released.url}; nothing was written")
    elif released.is_new:
        click.echo(f"release {released.number}: {released.url}\n  next: labelyard fetch {dataset} --to FOLDER")
    else:
        click.echo(f"nothing has changed since release {released.number}: {released.url}")


@click.command()
@click.argument("address", metavar="RELEASE")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write to.")
@click.option("--split", "splits", multiple=True, help="Only the images of this split; may be given several times.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    help="Lay this format out in a folder of its name, beside the COCO files; may be given several times.",
)
@json_option("labelyard.operations.fetch_release:Fetched", "Print JSON instead of a table.")
def fetch(address: str, to: Path, *, splits: tuple[str, ...], formats: tuple[str, ...], as_json: bool) -> None:
    """Fetch a release with its images into a folder, and verify every checksum.

    RELEASE is the name of a dataset, which means its newest release, NAME/NUMBER, or the s3:// address of a release or
    of a dataset's releases, for which no ledger is needed. An interrupted call continues where it stopped.
    Exits with 1 if an image could not be fetched.
    """
    from labelyard.blocks import complete  # noqa: PLC0415
    from labelyard.operations.fetch_release import fetch as fetch_release  # noqa: PLC0415 - slow to import
    from labelyard.settings import load_settings  # noqa: PLC0415
    from labelyard.storage import Store  # noqa: PLC0415

    store = Store(complete(load_settings()).store)
    found = _address(store, address)
    with progress_of_steps() as show:
        fetched = fetch_release(store, found, to, splits, partial(show, "images"), formats)
    if as_json:
        print_json(fetched)
    else:
        click.echo(f"{fetched.images:,} images, {fetched.kept:,} of them were there already: {to}")
        for fault in fetched.faults[:_SHOWN_FAULTS]:
            click.secho(printable(f"not fetched: {fault}"), fg="red", err=True)
        if len(fetched.faults) > _SHOWN_FAULTS:
            click.secho(f"… and {len(fetched.faults) - _SHOWN_FAULTS:,} more: --json", fg="red", err=True)
        click.echo(f"  next: labelyard verify {to}")
    sys.exit(1 if fetched.faults else 0)


def _address(store: Store, text: str) -> ReleaseAddress:
    from labelyard.operations.fetch_release import ReleaseAddress, find_release  # noqa: PLC0415

    if text.startswith("s3://"):
        return find_release(store, text)
    from labelyard.context import open_context  # noqa: PLC0415
    from labelyard.ledger import releases  # noqa: PLC0415

    name, _, number = text.partition("/")
    if number and not re.fullmatch("[0-9]{1,9}", number):
        raise InputError("not a release", where=text, next_step="write NAME, NAME/NUMBER, or an s3:// address")
    with open_context() as context, context.ledger.read_only() as tx:
        row = releases.get(tx, name, int(number) if number else None)
        return ReleaseAddress(row.bucket, row.prefix, row.manifest_sha256)
