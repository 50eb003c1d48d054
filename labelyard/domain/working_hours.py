"""Working hours of people: weekdays and times of day in a time zone, without holidays."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = r"(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? +\d{2}:\d{2} *- *\d{2}:\d{2}"
"""The pattern of `Hours` in a text, such as `mon-fri 09:00-17:00`."""
_PARTS = re.compile(r"(\w+)(?:-(\w+))? +(\d{2}):(\d{2}) *- *(\d{2}):(\d{2})")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """The same hours on some weekdays; minutes count from midnight. An end before the begin is on the next day."""

    weekdays: Collection[int]
    """0 is Monday."""
    begin: int
    end: int

    def include(self, weekday: int, minute: int) -> bool:
        """Return whether a minute of the day on which the hours begin is in them; the next day's continue from 1440."""
        end = self.end if self.end > self.begin else self.end + 1440
        return weekday in self.weekdays and self.begin <= minute < end


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When somebody works: the hours by the clock of a zone, but for those that begin on a holiday."""

    hours: tuple[Hours, ...]
    zone: tzinfo
    holidays: frozenset[date] = frozenset()

    def include(self, at: datetime) -> bool:
        """Return whether somebody works at a time; no hours at all stand for any hour."""
        local = at.astimezone(self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        begins = ((today, minute), (today - _DAY, minute + 1440))
        return any(
            day not in self.holidays and (one.include(day.weekday(), at_minute) if self.hours else at_minute < 1440)
            for day, at_minute in begins
            for one in (self.hours or (_ANY,))
        )

    def spans(self, first: date, days: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the hours that begin on each of so many days, as times in UTC, by day and begin; they may overlap."""
        for day in (first + number * _DAY for number in range(days)):
            of_day = [one for one in self.hours or (_ALL_DAY,) if day.weekday() in one.weekdays]
            for one in sorted(of_day, key=lambda one: one.begin) if day not in self.holidays else ():
                end = one.end if one.end > one.begin else one.end + 1440
                yield self._clock(day, one.begin), self._clock(day, end)

    def _clock(self, day: date, minute: int) -> datetime:
        days, rest = divmod(minute, 1440)
        return datetime.combine(day + days * _DAY, time(*divmod(rest, 60)), self.zone).astimezone(UTC)


_ANY = Hours(range(7), 0, 0)
_ALL_DAY = Hours(range(7), 0, 1440)


def parse_hours(text: str) -> Hours:
    """Return the hours that a text such as `mon-fri 09:00-17:00` or `sat 22:00-06:00` says.

    Raises ValueError, which says what to write.
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} are no working hours: write days and times, such as mon-fri 09:00-17:00")
    first, last = (_weekday(word or found[1]) for word in (found[1], found[2]))
    days = range(first, last + 1) if last >= first else (*range(first, 7), *range(last + 1))
    begin, end = _minute(found[3], found[4]), _minute(found[5], found[6])
    if begin == 1440:
        raise ValueError(f"{text!r} begins at 24:00: write 00:00 and the next day")
    if begin == end:
        raise ValueError(f"{text!r} ends when it begins: write 00:00-24:00 for a whole day")
    return Hours(frozenset(days), begin, end)


def _weekday(word: str) -> int:
    if word not in WEEKDAYS:
        raise ValueError(f"{word!r} is no weekday: write one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(word)


def _minute(hour: str, minute: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 1440:
        raise ValueError(f"{hour}:{minute} is no time of day: write 00:00 to 24:00")
    return found
