"""`labelyard check`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import progress_of_steps
from labelyard.config.loading import read_spec
from labelyard.errors import LabelyardError
from labelyard.escaping import printable
from labelyard.formats.checks.fault import Severity
from labelyard.formats.file_checks.report import Report
from labelyard.formats.file_checks.table import rule_rows
from labelyard.operations.check import Checked, CheckOptions, check_all
from labelyard.settings import load_settings

_FAULTS, _UNREADABLE = 1, 2


@dataclass(frozen=True)
class CountedFault:
    """What one rule found."""

    rule: str
    severity: Severity
    count: int
    examples: Sequence[str]
    """The first ones, and where they are."""
    fixable: bool
    """Whether --fix repairs it."""


@dataclass(frozen=True)
class CorrectedCopy:
    """A corrected copy, and what is wrong with it."""

    file: Path
    changes: Mapping[str, int]
    """Items changed, by rule."""
    fit: bool
    faults: Sequence[CountedFault]
    images: int
    annotations: int


@dataclass(frozen=True)
class CheckedFiles:
    """What is wrong with all the files together."""

    fit: bool
    """Whether they are fit for training; warnings do not count."""
    faults: Sequence[CountedFault]
    images: int
    annotations: int
    fixed: Sequence[CorrectedCopy]
    """The corrected copies that were written."""


@click.command()
@click.argument("what", metavar="FILE|ZIP|FOLDER|S3URL", required=False)
@click.option("--images", metavar="FOLDER|S3URL", help="Where the images are: check them too.")
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A dataset file: check for its labels and checks.",
)
@json_option(CheckedFiles, "Print one object: fit, faults, images, annotations.")
@click.option("--fix", is_flag=True, help="Write a corrected copy beside it, NAME.fixed.json; nothing is overwritten.")
@click.option("--rules", is_flag=True, help="Print all rules, and do nothing else.")
def check(what: str | None, images: str | None, dataset: Path | None, *, as_json: bool, fix: bool, rules: bool) -> None:
    """Check COCO files for faults that crash a training or change what it learns.

    FILE is a COCO file; of a ZIP or FOLDER all COCO files are checked; S3URL is s3://bucket/key or s3://bucket/prefix.
    A corrected copy of a file in a bucket is written to the current folder. Exits with 0 if the files are fit for
    training (warnings do not count), with 1 if they are not, with 2 if a file cannot be read or written.
    """
    if rules:
        for row in rule_rows():
            click.echo(f"{row.name} ({row.severity}): {row.sentence} {row.consequence}")
        return
    if what is None:
        raise click.UsageError("name a file, a zip, a folder or an s3:// address")
    try:
        with progress_of_steps() as show:
            options = CheckOptions(images, read_spec(dataset) if dataset else None, fix, show)
            checked = check_all(what, load_settings(), options)
    except LabelyardError as error:
        checked = Checked(unreadable=[error])
    for problem in (*checked.unreadable, *checked.unwritten):
        click.secho(f"labelyard: {problem}", fg="red", err=True)
    if as_json:
        print_json(_document(checked))
    else:
        _show(checked)
    failed = checked.unreadable or checked.unwritten
    sys.exit(_UNREADABLE if failed else 0 if checked.report.fit else _FAULTS)


def _document(checked: Checked) -> CheckedFiles:
    report, faults = checked.report, _counted(checked.report)
    if checked.unreadable:
        examples = [error.happened for error in checked.unreadable]
        unreadable = CountedFault("unreadable", Severity.ERROR, len(examples), examples[:5], fixable=False)
        faults = [unreadable, *faults]
    fixed = [
        CorrectedCopy(copy.path, dict(copy.changes), after.fit, _counted(after), after.images, after.annotations)
        for copy, after in checked.fixed
    ]
    return CheckedFiles(report.fit and not checked.unreadable, faults, report.images, report.annotations, fixed)


def _counted(report: Report) -> list[CountedFault]:
    return [
        CountedFault(name, tally.severity, tally.count, [str(fault) for fault in tally.examples], tally.fixable)
        for name, tally in report.tallies.items()
    ]


def _show(checked: Checked) -> None:
    for name in checked.skipped:
        click.echo(printable(f"{name}: no COCO file, not checked"), err=True)
    for name, report in checked.reports.items():
        state = "fit" if report.fit else "not fit for training"
        colour = "yellow" if report.fit and report.tallies else None if report.fit else "red"
        counts = f"{report.images} images, {report.annotations} annotations"
        click.secho(printable(f"{name}: {state}: {counts}"), fg=colour)
        _show_faults(report)
    for fixed, report in checked.fixed:
        changes = ", ".join(f"{name} {count}" for name, count in fixed.changes.items())
        click.echo(printable(f"{fixed.path}: written; items changed: {changes or 'none'}"))
        click.echo(printable(f"{fixed.path}: {'fit' if report.fit else 'still not fit for training'}"))
        _show_faults(report)


def _show_faults(report: Report) -> None:
    for name, tally in report.tallies.items():
        fix = ", --fix repairs it" if tally.fixable else ""
        colour = "red" if tally.severity is Severity.ERROR else "yellow"
        click.secho(f"  {tally.severity.value} {name}: {tally.count}{fix}", fg=colour)
        for fault in tally.examples:
            click.echo(printable(f"    {fault}"))
        if tally.count > len(tally.examples):
            click.echo(f"    … {tally.count - len(tally.examples)} more")
