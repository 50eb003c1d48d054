"""Tables for people. Where one does not fit on the terminal it becomes a list: no address is broken, nothing is cut."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

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


def _table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(*columns, pad_edge=False)
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _lines(columns: Sequence[str], row: Sequence[Cell]) -> list[Text]:
    first, *others = map(_text, row)
    head = first.copy()
    head.stylize("bold")
    return [head, *(Text.assemble(f"  {name} ", cell) for name, cell in zip(columns[1:], others, strict=True))]


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)
