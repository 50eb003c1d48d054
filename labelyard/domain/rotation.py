"""Which items to process in a round, where there are too many for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def rotating_subset(items: Sequence[T], limit: int, round_number: int) -> Sequence[T]:
    """Return at most `limit` items for a round. Consecutive rounds cover every item before any repeats."""
    rounds = max(1, -(-len(items) // limit))
    return items[round_number % rounds :: rounds]
