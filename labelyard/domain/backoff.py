"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from datetime import timedelta

_ENOUGH = 30  # doublings of a millisecond are twelve days; of a number that only grows, the next overflow


def exponential_backoff(first: timedelta, times: int, most: timedelta) -> timedelta:
    """`first`, doubled so many times (none for a negative number), `most` at the most."""
    return min(first * (1 << min(max(times, 0), _ENOUGH)), most)
