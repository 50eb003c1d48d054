"""message: show how one notification is parsed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.escaping import printable
from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers import parse_message


@dataclass(frozen=True)
class ShownObject:
    """An object that a notification names."""

    bucket: str
    key: str
    etag: str | None
    size: int | None
    version_id: str | None
    event: str
    """The store's name of what happened."""
    time: datetime | None
    source: str
    """The parser that understood it."""
    sequencer: str | None
    """What orders the events of one object."""


@dataclass(frozen=True)
class RejectedPart:
    """A part of a notification that cannot be parsed, and why."""

    reason: str
    record: str


@dataclass(frozen=True)
class ShownMessage:
    """How a notification is parsed."""

    created: Sequence[ShownObject]
    deleted: Sequence[ShownObject]
    ignored: Sequence[str]
    """Why parts of it register no object."""
    rejected: Sequence[RejectedPart]


@click.command()
@click.argument("file", type=click.File("rb"))
@json_option(ShownMessage)
def message(file: BinaryIO, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show how a notification is parsed.

    FILE contains it as the queue or the webhook delivers it; - reads standard input. A deletion registers no object and
    is therefore listed as ignored too. Exits with status 1 if a part cannot be parsed: the watcher would store that
    part as a dead letter.
    """
    parsed = parse_message(file.read())
    if as_json:
        print_json(_document(parsed))
    else:
        _show(parsed)
    sys.exit(1 if parsed.rejected else 0)


def _document(parsed: ParsedMessage) -> ShownMessage:
    return ShownMessage(
        created=[_object(notified) for notified in parsed.created],
        deleted=[_object(notified) for notified in parsed.deleted],
        ignored=parsed.ignored,
        rejected=[RejectedPart(record.reason, record.body.decode()) for record in parsed.rejected],
    )


def _object(notified: NotifiedObject) -> ShownObject:
    one = notified.object
    return ShownObject(
        one.bucket, one.key, one.etag, one.size, one.version_id,
        notified.event, notified.time, notified.source, notified.sequencer,
    )  # fmt: skip


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
