"""When work of so many minutes is done: by somebody's hours, absence, and the share of their time that they work."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from labelyard.domain.working_hours import WorkingHours

HORIZON = timedelta(days=180)
"""Work that lasts longer has no end that means anything."""
Span = tuple[datetime, datetime]
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class WorkCalendar:
    """The times at which a person works, from `begin` on; without hours that is always.

    `share` of these times is work: 1 means that a minute of the calendar is a minute of work.
    """

    def __init__(self, begin: datetime, hours: WorkingHours | None, share: float = 1.0) -> None:
        self._begin, self._hours, self._share = begin, hours, max(share, 0.01)
        self._spans: list[Span] = []
        self._minutes: list[float] = []
        """The minutes of the calendar up to the end of each span."""
        self._next: date | None = None

    def end(self, minutes: float) -> datetime:
        """Return when so many minutes of work are done, at the latest HORIZON after the begin."""
        needed = minutes / self._share
        if self._hours is None:
            return self._begin + min(needed * _MINUTE, HORIZON) if needed * _MINUTE < HORIZON else self._begin + HORIZON
        while not self._minutes or self._minutes[-1] < needed:
            if not self._extend():
                return self._begin + HORIZON
        at = bisect_left(self._minutes, needed)
        return self._spans[at][1] - (self._minutes[at] - needed) * _MINUTE

    def _extend(self) -> bool:
        """Add a week; return False after HORIZON."""
        assert self._hours is not None
        first = self._next or self._begin.astimezone(self._hours.zone).date() - _DAY
        if first > (self._begin + HORIZON).date():
            return False
        self._next = first + 7 * _DAY
        for low, high in self._hours.spans(first, 7):
            begin = max(low, self._begin, self._spans[-1][1] if self._spans else self._begin)
            if high > begin:
                self._spans.append((begin, high))
                self._minutes.append((self._minutes[-1] if self._minutes else 0.0) + (high - begin) / _MINUTE)
        return True


def minutes_between(begin: datetime, end: datetime, hours: WorkingHours | None) -> float:
    """Return how many minutes between two times are somebody's hours; without hours all are."""
    if end <= begin:
        return 0.0
    return sum((high - low) / _MINUTE for low, high in overlap([(begin, end)], working(begin, end, hours)))


def working(begin: datetime, end: datetime, hours: WorkingHours | None) -> Sequence[Span]:
    """Return the hours of somebody that may be between two times; without hours that is all the time."""
    if hours is None:
        return [(begin, end)]
    first = begin.astimezone(hours.zone).date() - _DAY  # its night shift ends on the next day
    return merged(hours.spans(first, (end.astimezone(hours.zone).date() - first).days + 1))


def merged(spans: Iterable[Span]) -> Sequence[Span]:
    """Return the times that are in any of the spans, one after the other."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def overlap(some: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    """Yield the times that are in both; the spans of each follow one another."""
    at = other = 0
    while at < len(some) and other < len(others):
        low, high = max(some[at][0], others[other][0]), min(some[at][1], others[other][1])
        if high > low:
            yield low, high
        if some[at][1] <= others[other][1]:
            at += 1
        else:
            other += 1
