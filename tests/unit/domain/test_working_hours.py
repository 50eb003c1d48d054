"""Working hours: weekdays, nights, holidays, and the clock of a zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from labelyard.domain.working_hours import WorkingHours, parse_hours

BERLIN = ZoneInfo("Europe/Berlin")


def works(text: str, at: str, *, zone: ZoneInfo = BERLIN, holidays: tuple[str, ...] = ()) -> bool:
    days = frozenset(map(date.fromisoformat, holidays))
    hours = (parse_hours(text),) if text else ()
    return WorkingHours(hours, zone, days).include(datetime.fromisoformat(at).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("mon-fri 09:00-17:00", "2026-01-02 08:00", True),  # a Friday, 9:00 in Berlin
        ("mon-fri 09:00-17:00", "2026-01-02 07:59", False),
        ("mon-fri 09:00-17:00", "2026-01-02 16:00", False),
        ("mon-fri 09:00-17:00", "2026-01-03 10:00", False),
        ("mon-fri 09:00-17:00", "2026-07-03 07:00", True),  # in summer
        ("sat-mon 00:00-24:00", "2026-01-04 12:00", True),
        ("sat-mon 00:00-24:00", "2026-01-06 12:00", False),
        ("fri 22:00-06:00", "2026-01-03 04:00", True),
        ("fri 22:00-06:00", "2026-01-03 05:00", False),
        ("fri 22:00-06:00", "2026-01-02 04:00", False),
        # In the night to Sunday, 29 March, the clock in Berlin goes from 02:00 to 03:00.
        ("sat 22:00-06:00", "2026-03-29 00:59", True),
        ("sat 22:00-06:00", "2026-03-29 03:59", True),
        ("sat 22:00-06:00", "2026-03-29 04:00", False),
        ("sun 02:00-03:00", "2026-03-29 01:00", False),  # there are no such minutes
        # In the night to Sunday, 25 October, it goes back from 03:00 to 02:00.
        ("sun 02:00-03:00", "2026-10-25 00:00", True),
        ("sun 02:00-03:00", "2026-10-25 01:59", True),  # the hour is there twice
        ("sun 02:00-03:00", "2026-10-25 02:00", False),
        ("sat 22:00-06:00", "2026-10-25 04:59", True),
        ("sat 22:00-06:00", "2026-10-25 05:00", False),
    ],
)
def test_hours_are_those_of_the_clock_of_the_zone(text: str, at: str, expected: bool) -> None:
    assert works(text, at) is expected


def test_nobody_works_on_a_holiday_and_its_night_shift_is_free_until_its_end() -> None:
    assert not works("mon-fri 09:00-17:00", "2026-01-02 10:00", holidays=("2026-01-02",))
    assert not works("fri 22:00-06:00", "2026-01-03 04:00", holidays=("2026-01-02",))
    assert not works("", "2026-01-02 10:00", holidays=("2026-01-02",))
    assert works("", "2026-01-03 10:00", holidays=("2026-01-02",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9-17", "no working hours"),
        ("mon-xyz 09:00-17:00", "'xyz' is no weekday"),
        ("sunflower 09:00-17:00", "'sunflower' is no weekday"),
        ("Monday 09:00-17:00", "'Monday' is no weekday"),
        ("mon 09:00-09:00", "write 00:00-24:00"),
        ("mon 09:00-24:30", "24:30 is no time of day"),
        ("mon 24:00-06:00", "write 00:00"),
    ],
)
def test_what_is_not_understood_is_an_error_that_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_hours(text)
