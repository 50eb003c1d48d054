"""How long to wait before another attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

_MAX_DOUBLINGS = 30  # of a millisecond: twelve days. A failure counter grows without limit and would overflow.


def exponential_backoff(first: timedelta, doublings: int, longest: timedelta) -> timedelta:
    """Return `first`, doubled so many times (not at all for a negative number), but never more than `longest`."""
    return min(first * (1 << min(max(doublings, 0), _MAX_DOUBLINGS)), longest)


def growing_waits(first: timedelta, longest: timedelta) -> Sequence[timedelta]:
    """Return the waits of an exponential backoff until they grow no more; the last one counts for all later ones."""
    waits = [first]
    while timedelta(0) < waits[-1] < longest:
        waits.append(exponential_backoff(first, len(waits), longest))
    return waits
