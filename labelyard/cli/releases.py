"""`labelyard merge`, `verify` and `diff`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import progress_of_steps
from labelyard.cli.table import print_table
from labelyard.domain.splits import BY_IMAGE, SplitRule
from labelyard.errors import InputError, LabelyardError
from labelyard.escaping import printable

if TYPE_CHECKING:
    from labelyard.releases.difference import Difference
    from labelyard.releases.manifest import Manifest

_DIFFERS, _UNREADABLE = 1, 2

_FOLDER = click.Path(file_okay=False, path_type=Path)
_SHOWN = 20


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--to", type=_FOLDER, required=True, help="The folder of the release: a new one, or an empty one.")
@click.option(
    "--previous", type=_FOLDER, help="The folder of the release before this one: ids and splits stay as they are there."
)
@click.option(
    "--splits",
    metavar="NAME=FRACTION,…",
    help="Such as train=0.8,val=0.1,test=0.1. By default those of the previous release, or else all is in train.",
)
@click.option(
    "--by",
    metavar="image|folder|REGEX",
    help="What goes to one split together: the images of a folder, or those for which a regular expression finds the "
    "same in the file name (its first group, or all that it matches). By default each image goes alone.",
)
@json_option("labelyard.releases.printed:MergedRelease", "Print the manifest's counts and the changes as JSON.")
def merge(
    files: tuple[Path, ...], to: Path, previous: Path | None, splits: str | None, by: str | None, *, as_json: bool
) -> None:
    """Merge COCO files into a release: one dataset with stable ids, splits, a manifest and checksums.

    FILE is a COCO file of any program. A file NAME.extra.json beside NAME.json, as labelyard writes it, is merged too.
    Images of one file_name are one image, with the annotations of all files; equal annotations of several files are
    one. The order of the files does not matter, and with --previous no earlier id changes and no image moves to another
    split. Each file is checked first; nothing is written if one has an error.
    """
    from labelyard.releases import merging  # noqa: PLC0415 - slow to import
    from labelyard.releases.printed import merged_release  # noqa: PLC0415
    from labelyard.releases.sources import SourceFile  # noqa: PLC0415

    rule = _rule(splits, by)
    with progress_of_steps() as show:
        options = merging.MergeOptions(rule, previous, on_progress=show)
        merged = merging.merge([SourceFile(file) for file in files], to, options)
    manifest, changes = merged.manifest, merged.changes
    if as_json:
        print_json(merged_release(to, manifest, changes))
        return
    _print_counts(manifest)
    read = manifest.annotations
    if read.duplicates:
        click.echo(f"{read.duplicates} annotations are in several files: they are written once")
    for warning in manifest.warnings:
        click.secho(printable(f"warning: {warning}"), fg="yellow")
    if previous:
        _print_difference(changes)
    click.echo(f"{read.read} annotations read, {read.written} written to {to}")
    click.echo(f"  next: labelyard verify {to}")


def _rule(splits: str | None, by: str | None) -> SplitRule | None:
    if splits is None:
        if by is not None:
            raise click.UsageError("--by needs --splits, such as --splits train=0.8,val=0.1,test=0.1")
        return None
    fractions: dict[str, float] = {}
    for part in filter(None, map(str.strip, splits.split(","))):
        name, equals, fraction = part.partition("=")
        if name.strip() in fractions:
            raise click.BadParameter(f"{name.strip()} has two fractions: write one", param_hint="--splits")
        try:
            fractions[name.strip()] = float(fraction)
        except ValueError:
            equals = ""
        if not equals:
            raise click.BadParameter(f"{part!r} is not NAME=FRACTION, such as train=0.8", param_hint="--splits")
    try:
        return SplitRule(fractions, BY_IMAGE if by is None else by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--splits") from error


def _print_counts(manifest: Manifest) -> None:
    labels = sorted({label for counts in manifest.counts.values() for label in counts.labels})
    splits = list(manifest.counts)
    rows = [("images", *(str(manifest.counts[split].images) for split in splits))]
    rows += [
        (printable(label), *(str(manifest.counts[split].labels.get(label, 0)) for split in splits)) for label in labels
    ]
    print_table(("", *splits), rows)


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="The public key (PEM) that must have signed the release.")
@json_option("labelyard.releases.printed:VerifiedRelease", "Print JSON: intact, faults, files, images, annotations.")
def verify(folder: Path, key: Path | None, *, as_json: bool) -> None:
    """Verify a release by its folder alone: the hashes of its files, links, counts and the account.

    It names each file that was changed, added or removed since the release was written. A signature is verified; only
    with --key does it show who signed. Exits with 1 if there is a fault, with 2 if FOLDER is no release or its manifest
    cannot be read.
    """
    from labelyard.releases.printed import unreadable_release, verified_release  # noqa: PLC0415
    from labelyard.releases.signature import read_public_key  # noqa: PLC0415 - slow to import
    from labelyard.releases.verification import verify as verify_release  # noqa: PLC0415

    try:
        with progress_of_steps() as show:
            found = verify_release(folder, read_public_key(key) if key else None, show)
    except LabelyardError as error:
        if as_json:
            print_json(unreadable_release(str(error)))
        click.secho(f"labelyard: {error}", fg="red", err=True)
        sys.exit(_UNREADABLE)
    images, annotations = found.manifest.images, found.manifest.items
    if as_json:
        print_json(verified_release(found))
    elif not found.faults:
        click.echo(f"intact: {len(found.manifest.files)} files, {images} images, {annotations} annotations")
    else:
        for fault in found.faults:
            click.secho(printable(f"{fault.kind:<10}  {fault}"), fg="red")
    sys.exit(_DIFFERS if found.faults else 0)


@click.command()
@click.argument("old", metavar="FOLDER", type=click.Path(path_type=Path))
@click.argument("new", metavar="FOLDER", type=click.Path(path_type=Path))
@json_option("labelyard.releases.difference:Changes", "Print JSON, as changes.json of a release has it.")
def diff(old: Path, new: Path, *, as_json: bool) -> None:
    """Show what differs from the first release to the second: images, annotations and labels, by label.

    An annotation is changed if one is removed and one added on the same image, with the same label and overlapping
    boxes. Exits with 1 if something differs, with 2 if a folder is no release.
    """
    from labelyard.releases.difference import compare  # noqa: PLC0415 - slow to import
    from labelyard.releases.manifest import read_manifest  # noqa: PLC0415

    try:
        for folder in (old, new):
            read_manifest(folder)
        difference = compare(old, new)
    except (LabelyardError, OSError) as error:
        problem = (
            error if isinstance(error, LabelyardError) else InputError(str(error.strerror), where=str(error.filename))
        )
        click.secho(f"labelyard: {problem}", fg="red", err=True)
        sys.exit(_UNREADABLE)
    if as_json:
        print_json(difference.changes)
    elif difference.is_empty:
        click.echo("no difference in images, annotations and labels")
    else:
        _print_difference(difference)
    sys.exit(0 if difference.is_empty else _DIFFERS)


def _print_difference(difference: Difference) -> None:
    kinds = ("added", "removed", "changed", "moved")
    rows = [("images", *_cells(difference.images, kinds)), ("annotations", *_cells(difference.annotations, kinds))]
    by_label = sorted((name, counts) for name, counts in difference.by_label.items() if +counts)
    rows += [(f"  {printable(name)}", *_cells(counts, kinds)) for name, counts in by_label]
    print_table(("", *kinds), rows)
    for kind, names in difference.labels.items():
        if names:
            click.echo(printable(f"labels {kind}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"))
    for kind, names in difference.examples.items():
        more = difference.images[kind] - len(names)
        click.echo(printable(f"images {kind}: {', '.join(names)}{f' (and {more} more)' if more > 0 else ''}"))


def _cells(counts: Counter[str], kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(counts[kind] or "") for kind in kinds)
