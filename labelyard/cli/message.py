"""message: how one notification is read."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.sources.parsers import EventObject, Reading, read_message


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="The reading as JSON.")
def message(file: BinaryIO, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show how a notification is read.

    FILE holds it as the bucket's queue or webhook delivers it; - reads it from standard input. A deletion lands nothing
    and so is told as ignored; what it removed is shown beside. Ends with status 1 when something in it cannot be read:
    the watcher would keep that in the dead letters.
    """
    reading = read_message(file.read())
    if as_json:
        click.echo(json.dumps(_jsonable(reading), indent=1))
    else:
        _show(reading)
    sys.exit(1 if reading.refused else 0)


def _jsonable(reading: Reading) -> dict[str, Any]:
    return {
        "objects": [_object(one) for one in reading.objects],
        "removed": [_object(one) for one in reading.removed],
        "ignored": reading.ignored,
        "refused": [{"reason": one.reason, "record": one.text} for one in reading.refused],
    }


def _object(one: EventObject) -> dict[str, Any]:
    return {
        "bucket": one.object.bucket,
        "key": one.object.key,
        "etag": one.object.etag,
        "size": one.object.size,
        "version_id": one.object.version_id,
        "event": one.event,
        "time": one.time.isoformat() if one.time else None,
        "source": one.source,
        "sequencer": one.sequencer,
    }


def _show(reading: Reading) -> None:
    console = Console()
    if told := [*reading.objects, *reading.removed]:
        table = Table(pad_edge=False)
        for name in ("bucket", "key", "etag", "size", "version", "event", "source"):
            table.add_column(name, overflow="fold")
        for one in told:
            obj = one.object
            # Keys are hostile: repr shows control characters instead of sending them to the terminal.
            cells = (obj.bucket, repr(obj.key), obj.etag, obj.size, obj.version_id, one.event, one.source)
            table.add_row(*(Text("-" if cell in (None, "") else str(cell)) for cell in cells))
        console.print(table)
    if reading.ignored:
        console.print(Text(f"ignored: {reading.ignored}"))
    for refused in reading.refused:
        console.print(Text(f"cannot be read: {refused.reason}"), style="red")
