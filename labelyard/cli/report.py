"""`labelyard report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.progress import progress_of_steps
from labelyard.errors import InputError
from labelyard.escaping import printable


@dataclass(frozen=True)
class WrittenReport:
    """A report of a release."""

    file: str
    images: int
    annotations: int


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="The folder of the image files, for pictures of doubtful annotations. By default `images` in FOLDER.",
)
@click.option(
    "--to", type=click.Path(path_type=Path), help="The file to write. By default FOLDER-report.html, beside FOLDER."
)
@json_option(WrittenReport)
def report(folder: Path, images: Path | None, to: Path | None, *, as_json: bool) -> None:
    """Write a report of a release: one HTML file with figures, plots, and the doubtful annotations first.

    FOLDER is a release, as `labelyard merge` writes it. The page needs no network and no script; the same release
    gives the same page. An earlier report of the same name is replaced; nothing in FOLDER is changed.
    """
    from labelyard.releases.report import write_report  # noqa: PLC0415 - slow to import

    release = folder.resolve()
    to = to or release.with_name(f"{release.name}-report.html")
    if to.resolve().is_relative_to(release):
        raise InputError(
            "a report in the folder of the release would be a file that its manifest does not list", where=str(to),
            next_step="name a file outside of the release with --to",
        )  # fmt: skip
    with progress_of_steps() as show:
        found = write_report(folder, to, images=images, on_progress=show)
    if as_json:
        print_json(WrittenReport(str(to), int(found["images"]), int(found["annotations"])))
        return
    click.echo(f"{found['images']:,} images, {found['annotations']:,} annotations: {printable(str(to))}")
