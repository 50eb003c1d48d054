"""`labelyard cvat dataset`: what people drew in a task as a dataset."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from labelyard.annotations.account import count_kinds
from labelyard.annotations.content import Kind
from labelyard.cli.cvat_connection import Connection
from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.domain.formats import DATASET_FORMATS, Groups


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.option(
    "--format", "format_name", default="coco", show_default=True, help=f"One of {', '.join(DATASET_FORMATS)}."
)
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder for the files: a new one."
)
@click.option("--rectangles-as-polygons", is_flag=True, help="coco: a rectangle has its corners as segmentation.")
@click.option("--keep-groups", is_flag=True, help="coco: grouped shapes are not merged.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds until an export of the server fails.")
@json_option("labelyard.operations.dataset_of_task:WrittenDataset", "Print JSON instead of a table.")
@click.pass_obj
def dataset(
    connection: Connection, task_id: int, format_name: str, to: Path, *, rectangles_as_polygons: bool,
    keep_groups: bool, deadline: float, as_json: bool,
) -> None:  # fmt: skip
    """Write what people drew in a task as a dataset, and say what became of every shape.

    It compares the annotations with CVAT's own lossless export. On CVAT 1.x, whose exports can be stale, it may create
    a tag in the first job and delete it at once.
    """
    from labelyard.formats.interface import FormatOptions  # noqa: PLC0415 - slow to import, only for this command
    from labelyard.operations.dataset_of_task import write_dataset_of_task  # noqa: PLC0415

    options = FormatOptions(rectangles_as_polygons, Groups.KEEP if keep_groups else Groups.MERGE)
    with connection.error_hints(), closing(connection.cvat) as cvat:
        options = replace(options, boxes_lead_groups=cvat.quirks.boxes_lead_groups)
        found = write_dataset_of_task(cvat, task_id, format_name, to, options, deadline=deadline)
    if as_json:
        print_json(found.document())
        return
    drawn, in_file = count_kinds(found.account.drawn), count_kinds(found.account.in_file)
    rows = [(kind.value, str(drawn[kind]), str(in_file[kind])) for kind in Kind if drawn[kind]]
    print_table(("kind", "drawn", "in the file"), rows or [("nothing", "0", "0")])
    for line in (*found.warnings, *map(str, found.files)):
        click.echo(line)
