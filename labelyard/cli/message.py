"""message: show how one notification is parsed."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

import click

from labelyard.cli.table import print_table
from labelyard.escaping import printable
from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers import parse_message


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def message(file: BinaryIO, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show how a notification is parsed.

    FILE contains it as the queue or the webhook delivers it; - reads standard input. A deletion registers no object and
    is therefore listed as ignored too. Exits with status 1 if a part cannot be parsed: the watcher would store that
    part as a dead letter.
    """
    parsed = parse_message(file.read())
    if as_json:
        click.echo(json.dumps(_jsonable(parsed), indent=1))
    else:
        _show(parsed)
    sys.exit(1 if parsed.rejected else 0)


def _jsonable(parsed: ParsedMessage) -> dict[str, Any]:
    return {
        "created": [_object(notified) for notified in parsed.created],
        "deleted": [_object(notified) for notified in parsed.deleted],
        "ignored": list(parsed.ignored),
        "rejected": [{"reason": record.reason, "record": record.body.decode()} for record in parsed.rejected],
    }


def _object(notified: NotifiedObject) -> dict[str, Any]:
    return {
        "bucket": notified.object.bucket,
        "key": notified.object.key,
        "etag": notified.object.etag,
        "size": notified.object.size,
        "version_id": notified.object.version_id,
        "event": notified.event,
        "time": notified.time.isoformat() if notified.time else None,
        "source": notified.source,
        "sequencer": notified.sequencer,
    }


def _show(parsed: ParsedMessage) -> None:
    if objects := [*parsed.created, *parsed.deleted]:
        print_table(("key", "bucket", "etag", "size", "version", "event", "source"), list(map(_row, objects)))
    for reason in parsed.ignored:
        click.echo(f"ignored: {printable(reason)}")
    for record in parsed.rejected:
        click.secho(f"cannot be parsed: {printable(record.reason)}", fg="red")


def _row(notified: NotifiedObject) -> list[str]:
    obj = notified.object
    # repr shows where a key begins and ends: keys may have spaces there.
    cells = (repr(obj.key), obj.bucket, obj.etag, obj.size, obj.version_id, notified.event, notified.source)
    return ["-" if cell in (None, "") else printable(str(cell)) for cell in cells]
