"""How long to wait before another attempt."""

from __future__ import annotations

from datetime import timedelta

_MAX_DOUBLINGS = 30  # of a millisecond: twelve days. A failure counter grows without limit and would overflow.


def exponential_backoff(first: timedelta, doublings: int, longest: timedelta) -> timedelta:
    """Return `first`, doubled so many times (not at all for a negative number), but never more than `longest`."""
    return min(first * (1 << min(max(doublings, 0), _MAX_DOUBLINGS)), longest)
