"""Tables for people. Where one does not fit on the terminal it becomes a list: no address is broken, nothing is cut."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TypeAlias

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from labelyard.cli.links import ADDRESS

_PIPED = (200, 50)
"""The size without a terminal and without COLUMNS: programs and log files have no edge."""
_UNLIMITED = 1_000_000

Cell: TypeAlias = str | Text


def terminal_width() -> int:
    """Return the width of the terminal in columns: COLUMNS, else what it says, else that of a wide one."""
    return shutil.get_terminal_size(_PIPED).columns


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print the rows as a table if it fits, else as a list: the first cell of a row, and a line for each other one.

    Texts are printed as they are: escape those from outside with `escaping.printable`.
    """
    console = Console(width=terminal_width())
    table = _table(columns, rows)
    if console.measure(table, options=console.options.update_width(_UNLIMITED)).maximum <= console.width:
        console.print(table)
        return
    for row in rows:
        for line in _lines(columns, row):
            console.print(line, soft_wrap=True)  # what does not fit is wrapped by the terminal, and copied whole


def linked(text: str | Text, address: str = "") -> Text:
    """Return a text that links to an address, or whose own addresses are links, where the terminal has links."""
    found = text.copy() if isinstance(text, Text) else Text(text)
    if address:
        found.stylize(Style(link=address))
    for one in ADDRESS.finditer(found.plain):
        found.stylize(Style(link=one[0]), *one.span())
    return found


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(*columns, pad_edge=False)
    for row in rows:
        table.add_row(*map(linked, row))
    return table


def _lines(columns: Sequence[str], row: Sequence[Cell]) -> list[Text]:
    first, *others = map(linked, row)
    head = first.copy()
    head.stylize("bold")
    return [head, *(Text.assemble(f"  {name} ", cell) for name, cell in zip(columns[1:], others, strict=True))]
