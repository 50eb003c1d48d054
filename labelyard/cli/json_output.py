"""`--json`: the flag, and the documents that it prints.

A document is a dataclass, so that `make docs` writes its fields into docs/commands.md and docs/commands.schema.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FLAG = "--json"


class JsonOption(click.Option):
    """The flag of a command, with the type of the document that it prints: a dataclass, or a list of one.

    A type that is slow to import is given by its name, `module:Class`.
    """

    def __init__(self, *arguments: Any, document: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.document = document


def json_option(
    document: Any, about: str = "Print the result as JSON."
) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """Return the decorator that gives a command the flag; the command receives it as `as_json`."""
    return click.option(_FLAG, "as_json", cls=JsonOption, document=document, is_flag=True, help=about)


def print_json(document: DataclassInstance | Sequence[DataclassInstance]) -> None:
    """Print a document."""
    click.echo(json_text(document))


def json_text(document: DataclassInstance | Sequence[DataclassInstance]) -> str:
    """Return a document as JSON; its times in the form of ISO 8601."""
    value = [asdict(one) for one in document] if isinstance(document, Sequence) else asdict(document)
    return json.dumps(value, default=_plain, indent=1)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
