"""Text from outside (keys, servers' words, reasons) for one line of a terminal or a log."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])")


def printable(text: str, keep: str = "") -> str:
    """Return `text` with every character escaped that a terminal would interpret or not show, but those of `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def unescaped(text: str) -> str:
    """Return what `printable` was given: people copy addresses from what it has escaped."""
    return _ESCAPE.sub(lambda escape: escape[0].encode().decode("unicode_escape"), text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
