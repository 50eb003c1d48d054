"""What a section of the page consists of: sentences, plots with their numbers, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NONE = "\u2013"
"""What a cell shows that has no value: a dash."""
TIMES = "\u00d7"
"""The sign between a width and a height."""

_NUMBER = re.compile(r"[\d,.]+(?:e[+-]\d+)?(?: %)?|\u2013")

MOST_ROWS = 150
"""Rows of a table that the page shows."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A cell with a number and a bar behind it; `share` of the cell's width is from 0 to 1."""

    text: str
    share: float


Cell = str | int | Bar


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `of` is how many rows there are, if it has only the first. Numbers are aligned to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    of: int | None = None

    def is_numeric(self, column: int) -> bool:
        """Return whether a column has numbers, shares or dashes alone, so that they are aligned to the right."""
        cells = [row[column] for row in self.rows]
        return bool(cells) and all(
            isinstance(one, int) or (isinstance(one, str) and _NUMBER.fullmatch(one)) for one in cells
        )

    @property
    def more(self) -> int:
        """How many rows are left out."""
        return 0 if self.of is None else self.of - len(self.rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], most: int = MOST_ROWS) -> Table:
    """Return a table of the first rows."""
    return Table(columns, rows[:most], len(rows))


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a section: what to look for, and a plot with its numbers in a table, or only one of them.

    `is_open` shows the table at once, without a click. `is_wide` gives it the width of the page.
    """

    title: str
    text: str
    plot: str = ""
    table: Table | None = None
    is_open: bool = False
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page; `name` is its address."""

    name: str
    title: str
    text: str
    blocks: Sequence[Block]


def share(part: float, whole: float) -> str:
    """Return a share in percent, with a decimal only where it is small."""
    if not whole:
        return NONE
    found = 100 * part / whole
    return f"{found:.1f} %" if 0 < found < 9.95 else f"{found:.0f} %"


def amount(value: float | None) -> str:
    """Return a number with three digits or more; a dash for none."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
