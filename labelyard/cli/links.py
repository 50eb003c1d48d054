"""Addresses in text as links (OSC 8) that a terminal opens, even where it wraps them. Elsewhere text stays plain."""

from __future__ import annotations

import os
import re
import sys

ADDRESS = re.compile(r"https?://[^\s<>\"'`|]*[^\s<>\"'`|.,;:!?)\]}…]")
"""An address in a sentence, without the punctuation behind it."""


def with_links(line: str) -> str:
    """Return a line for standard output with its addresses as links, if that is a terminal; for `click.echo`."""
    return ADDRESS.sub(r"\033]8;;\g<0>\033\\\g<0>\033]8;;\033\\", line) if _on_terminal() else line


def _on_terminal() -> bool:
    """Return whether standard output shows links, as rich decides it for the tables."""
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()
