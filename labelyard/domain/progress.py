"""Progress of long work: the function that does the work calls `on_progress`, and the command line shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[str, int, int], object]
"""Receives what is done now, how many parts of it are done, and how many there are: files, images, bytes."""


def unseen(_what: str, _done: int, _total: int) -> None:
    """Show nothing: nobody waits."""
