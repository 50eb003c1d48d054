"""When the verbs of a dataset run by themselves: cron expressions and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Verb(StrEnum):
    """What a dataset can have a schedule for."""

    INGEST = "ingest"
    RELEASE = "release"
    SWEEP = "sweep"


@dataclass(frozen=True)
class Timing:
    """A cron expression or an interval, and the time zone whose clock counts."""

    timezone: str
    cron: str | None = None
    interval: timedelta | None = None

    def __str__(self) -> str:
        when = self.cron if self.interval is None else f"every {_in_words(self.interval)}"
        return f"{when} {self.timezone}"


_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class _Field:
    """A field of a cron expression: its name, its lowest and highest value, and names for its values."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]

    def values(self, text: str) -> set[int]:
        """Return the values that a list of values, ranges and steps stands for. Raises ValueError."""
        found: set[int] = set()
        for item in text.split(","):
            found.update(self._item(item))
        return found

    def _item(self, item: str) -> range:
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = self.low, self.high
        elif dash:
            low, high = self._value(first, item), self._value(last, item)
        else:
            low = high = self._value(first, item)
        if low > high:
            raise ValueError(f"{self.name}: {item!r} begins after its end")
        if not slash:
            return range(low, high + 1)
        if span != "*" and not dash:
            raise ValueError(f"{self.name}: write a range before the step, such as {first}-{self.high}/{step}")
        if not _is_number(step) or not 1 <= int(step) <= self.high:
            raise ValueError(f"{self.name}: write a step from 1 to {self.high} instead of {step!r}")
        return range(low, high + 1, int(step))

    def _value(self, text: str, item: str) -> int:
        if (named := self.names.get(text.lower())) is not None:
            return named
        if _is_number(text) and self.low <= int(text) <= self.high:
            return int(text)
        names = f", or {' to '.join((next(iter(self.names)), list(self.names)[-1]))}" if self.names else ""
        raise ValueError(f"{self.name}: {item!r} is wrong: write numbers from {self.low} to {self.high}{names}")


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    _Field("day of week", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def normalized_cron(text: str) -> str:
    """Return a cron expression with one blank between its fields. Raises ValueError, which says what to write.

    The five fields are minute, hour, day of month, month and day of week (0 is Sunday). Where both days are given, one
    of them is enough, as in every cron.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            "write an interval, such as 5m, or the five fields of cron: "
            'minute, hour, day of month, month, day of week, such as "0 2 * * 1-5"'
        )
    _minutes, _hours, days, months, _weekdays = (field.values(part) for field, part in zip(_FIELDS, parts, strict=True))
    if parts[4] == "*" and min(days) > max(_DAYS_OF_MONTH[month - 1] for month in months):
        raise ValueError(f"day of month: none of these months has a day {min(days)}")
    return " ".join(parts)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2


def _in_words(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
