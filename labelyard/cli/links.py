"""Addresses in text as links (OSC 8) that a terminal opens, even where it wraps them. Elsewhere text stays plain."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"https?://[^\s<>\"'`|]*[^\s<>\"'`|.,;:!?)\]}…]")
"""An address in a sentence, without the punctuation behind it."""


def with_links(line: str) -> str:
    """Return a line for standard output with its addresses as links, if that is a terminal; for `click.echo`."""
    if not ADDRESS.search(line) or not _has_links():
        return line
    return ADDRESS.sub(r"\033]8;;\g<0>\033\\\g<0>\033]8;;\033\\", line)


def _has_links() -> bool:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and most lines have no address

    console = Console()
    return console.is_terminal and console.color_system is not None
