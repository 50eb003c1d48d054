"""Whose turn it is, where there are too many for one look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turn(things: Sequence[T], most: int, turn: int) -> Sequence[T]:
    """At most so many of the things; of as many turns in a row as it takes, each thing has one."""
    turns = max(1, -(-len(things) // most))
    return things[turn % turns :: turns]
