"""How far long work is: whoever does it calls a function, and whoever waits for it shows that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[str, int, int], object]
"""Receives what is done now, how many parts of it are done, and how many there are: files, images, bytes."""


def unseen(_what: str, _done: int, _total: int) -> None:
    """Show nothing: nobody waits."""
