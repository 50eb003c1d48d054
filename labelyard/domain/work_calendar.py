"""When work of so many minutes is done: by somebody's hours, absence, and the share of their time that they work."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta

from labelyard.domain.working_hours import WorkingHours

HORIZON = timedelta(days=180)
"""Work that lasts longer has no end that means anything."""
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


class WorkCalendar:
    """The times at which a person works, from `begin` on; without hours that is always.

    `share` of these times is work: 1 means that a minute of the calendar is a minute of work.
    """

    def __init__(self, begin: datetime, hours: WorkingHours | None, share: float = 1.0) -> None:
        self._begin, self._hours, self._share = begin, hours, max(share, 0.01)
        self._spans: list[tuple[datetime, datetime]] = []
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
    if hours is None:
        return (end - begin) / _MINUTE
    first = begin.astimezone(hours.zone).date() - _DAY
    last, found = begin, 0.0
    for low, high in hours.spans(first, (end.astimezone(UTC).date() - first).days + 2):
        low, high = max(low, last), min(high, end)  # noqa: PLW2901 - the part that counts
        if high > low:
            found, last = found + (high - low) / _MINUTE, high
    return found
