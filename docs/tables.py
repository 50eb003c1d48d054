"""Tables and paragraphs of generated documents."""

from __future__ import annotations

import re
import textwrap


def table(heading: str, about: str, columns: str, rows: list[str]) -> str:
    """Return a section with an introduction and a table, whose last column is the default."""
    intro = [prose(about), ""] if about else []
    return "\n".join(["", f"## {heading}", "", *intro, f"| {columns} | default |", "|---|---|---|", *rows, ""])


def prose(text: str, *, wrap: bool = True) -> str:
    """Return a docstring as a paragraph, or on one line for a cell of a table."""
    joined = re.sub(r"`[^`]*`|<", lambda found: "&lt;" if found[0] == "<" else found[0], " ".join(text.split()))
    joined = joined.replace("|", "\\|")
    return textwrap.fill(joined, 118, break_long_words=False, break_on_hyphens=False) if wrap else joined
