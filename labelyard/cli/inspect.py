"""`labelyard inspect`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.errors import LabelyardError
from labelyard.escaping import printable
from labelyard.images import SERVERS, Inspection
from labelyard.operations.inspect import family, inspect_all
from labelyard.settings import load_settings

_QUARANTINED, _UNREADABLE = 1, 2


@dataclass(frozen=True)
class InspectedFile:
    """What becomes of a file in CVAT."""

    file: str
    verdict: str
    """`accept` or `quarantine`."""
    reason: str | None
    """Why it is quarantined."""
    warnings: Sequence[str]
    """What annotators will see that the file does not mean."""
    format: str | None
    width: int | None
    """In the pixels that CVAT shows."""
    height: int | None


@click.command()
@click.argument("what", metavar="FILE|FOLDER|S3URL…", nargs=-1, required=True)
@click.option(
    "--dialect",
    type=click.Choice(list(SERVERS)),
    help="The family of the CVAT: v1 is 1.x, v2 is 2.x. By default that of the settings, or else v2.",
)
@json_option(list[InspectedFile], "Print a list of objects with file, verdict, reason, warnings, …")
def inspect(what: tuple[str, ...], dialect: str | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show before any upload which images CVAT will accept, why not, and what annotators will see.

    FILE and FOLDER are on this machine, S3URL is s3://bucket/prefix. What is quarantined here is quarantined by the
    pipeline too. Exits with 1 if a file would be quarantined, with 2 if something does not exist or cannot be read.
    """
    try:
        status = _inspect(what, dialect, as_json=as_json)
    except LabelyardError as error:
        click.secho(f"labelyard: {error}", fg="red", err=True)
        status = _UNREADABLE
    sys.exit(status)


def _inspect(what: tuple[str, ...], dialect: str | None, *, as_json: bool) -> int:
    settings = load_settings()
    name = dialect or family(settings)
    click.echo(f"as {SERVERS[name].name} would show them (--dialect {name})", err=True)
    status, found = 0, list[InspectedFile]()
    for file in inspect_all(what, settings, name):
        if isinstance(file.result, LabelyardError):
            click.secho(f"labelyard: {file.result}", fg="red", err=True)
            status = _UNREADABLE
        elif file.result.reason is not None:
            status = max(status, _QUARANTINED)
        if as_json and isinstance(file.result, Inspection):
            found.append(_document(file.name, file.result))
        elif isinstance(file.result, Inspection):
            _show(file.name, file.result)
    if as_json:
        print_json(found)
    return status


def _document(name: str, found: Inspection) -> InspectedFile:
    return InspectedFile(name, found.verdict, found.reason, found.warnings, found.format, found.width, found.height)


def _show(name: str, inspection: Inspection) -> None:
    for number, line in enumerate(_lines(name, inspection)):
        colour = "red" if inspection.reason else "yellow" if number else None
        click.secho(printable(line), fg=colour)


def _lines(name: str, inspection: Inspection) -> Iterator[str]:
    size = f"{inspection.width} x {inspection.height}" if inspection.width else ""
    yield f"{inspection.verdict:<10}  {name}  {inspection.format or ''} {size}".rstrip()
    if inspection.reason:
        yield f"            {inspection.reason}"
    for warning in inspection.warnings:
        yield f"            warning: {warning}"
