"""Days, the backlog they leave, its forecast, and how fast a person works."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.throughput import (
    LONGEST_SPAN,
    Day,
    DoneJob,
    days_with_backlog,
    first_forecast,
    forecast,
    images_per_hour,
    measured_times,
    midnights,
    monday,
)

FIRST = date(2026, 11, 17)
NINE = datetime(2026, 11, 30, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=15))
def test_the_backlog_of_each_day_follows_from_the_day_before(moves: list[tuple[int, int]]) -> None:
    arrived, finished = [a for a, _ in moves], [f for _, f in moves]
    days = days_with_backlog(FIRST, arrived, finished, 5000)
    assert [day.date for day in days] == [FIRST + timedelta(days=n) for n in range(len(moves))]
    assert days[-1].backlog == 5000
    for before, day in pairwise(days):
        assert day.backlog == before.backlog + day.arrived - day.finished


def days(*finished: int, arrived: int = 10) -> list[Day]:
    return [Day(FIRST + timedelta(days=n), arrived if done else 0, done, 100) for n, done in enumerate(finished)]


def test_a_forecast_has_a_range_that_is_wider_the_more_the_days_differ() -> None:
    even, uneven = forecast(days(20, 20, 20, 20, 99), 100), forecast(days(10, 30, 10, 30, 99), 100)
    assert even is not None
    assert uneven is not None
    assert (even.days_low, even.days_high, even.finished_per_day, even.measured_days) == (5, 5, 20, 4)
    assert uneven.finished_per_day == 20
    assert uneven.days_high is not None
    assert uneven.days_low < 5 < uneven.days_high


def test_days_before_the_first_image_and_today_do_not_count() -> None:
    found = forecast(days(0, 0, 0, 20, 20, 20, 99), 100)
    assert found is not None
    assert (found.measured_days, found.finished_per_day, found.arrived_per_day) == (3, 20, 10)


@pytest.mark.parametrize("done", [(20, 20, 5), (0, 0, 0, 0, 5), ()])
def test_too_few_days_are_no_forecast(done: tuple[int, ...]) -> None:
    assert forecast(days(*done), 100) is None


@pytest.mark.parametrize(
    ("done", "days_until"),
    [((20, 5), 2), ((20, 20, 5), 1), ((0, 0, 5), 3), ((0, 0, 0), 3), ((), 3)],
)
def test_the_first_forecast_follows_three_whole_days_after_the_first_image(
    done: tuple[int, ...], days_until: int
) -> None:
    known = days(*done) or [Day(FIRST, 0, 0, 100)]
    first = first_forecast(known)
    assert first == known[-1].date + timedelta(days=days_until)
    until_then = range((first - known[-1].date).days)
    later = [*known[:-1], *(Day(known[-1].date + timedelta(days=n), 10, 20, 100) for n in [*until_then, days_until])]
    assert forecast(later, 100) is not None
    assert forecast(later[:-1], 100) is None


def test_where_nothing_was_finished_for_days_the_first_forecast_may_be_that_of_tomorrow() -> None:
    idle = [Day(FIRST + timedelta(days=n), 10, 0, 100) for n in range(6)]
    assert first_forecast(idle) == FIRST + timedelta(days=6)


def test_without_a_backlog_there_is_no_forecast_and_with_rare_work_no_upper_end() -> None:
    assert forecast(days(20, 20, 20, 20, 0), 0) is None
    rare = forecast([*days(60), *days(0, 0, 0, 0, 0, 0, 0)], 100)
    assert rare is not None
    assert rare.days_high is None


def done(images: int, assigned: timedelta | None, at: timedelta) -> DoneJob:
    return DoneJob(images, None if assigned is None else NINE + assigned, NINE + at)


def test_the_time_of_a_job_begins_with_its_assignment_or_the_end_of_the_job_before() -> None:
    jobs = [done(30, timedelta(), HOUR), done(60, timedelta(), 2 * HOUR), done(30, 3 * HOUR, 4 * HOUR)]
    assert images_per_hour(measured_times(jobs)) == 40


def test_a_night_between_two_jobs_does_not_count_as_work() -> None:
    night = LONGEST_SPAN + HOUR
    assert images_per_hour(measured_times([done(30, timedelta(), HOUR), done(30, timedelta(), HOUR + night)])) == 30


def test_without_a_job_of_known_time_there_is_no_rate() -> None:
    assert images_per_hour(measured_times([])) is None
    assert images_per_hour(measured_times([done(30, None, HOUR)])) is None


# --- days in a time zone ---

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Beirut", "America/Havana",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati",
]).map(ZoneInfo)  # fmt: skip
"""Zones whose clocks change at midnight, across midnight, by half an hour, and by a whole day (Apia, in 2011)."""


@given(st.integers(1262304000, 1893456000), ZONES, st.integers(0, 20))  # 2010 to 2030
def test_a_time_is_within_the_day_that_a_clock_of_the_zone_shows(second: int, zone: ZoneInfo, before: int) -> None:
    now = datetime.fromtimestamp(second, UTC)
    edges = midnights(now, zone, before)
    assert len(edges) == before + 2
    assert edges[-2] <= now < edges[-1]
    assert list(edges) == sorted(edges)
    today = now.astimezone(zone).date()
    assert edges[-2].astimezone(zone).date() == today
    assert (edges[-2] - timedelta(microseconds=1)).astimezone(zone).date() < today
    week = monday(now, zone)
    assert week <= edges[-2]
    assert now - week < timedelta(days=8)
    assert week.astimezone(zone).weekday() == 0 or zone.key == "Pacific/Apia"


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 3, 29, 12, tzinfo=UTC), 23),  # the clocks go forward at 2:00
        (datetime(2026, 10, 25, 12, tzinfo=UTC), 25),  # they go back at 3:00
        (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), 25),
        (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), 24),  # midnight in Berlin
    ],
)
def test_the_days_of_a_clock_change_have_23_and_25_hours(now: datetime, hours: int) -> None:
    *_, yesterday, today, tomorrow = midnights(now, BERLIN, 14)
    assert tomorrow - today == timedelta(hours=hours)
    assert today - yesterday == timedelta(hours=25 if hours == 24 else 24)


@pytest.mark.parametrize(
    ("now", "begun"),
    [
        (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), datetime(2026, 3, 22, 23, tzinfo=UTC)),  # Sunday, before midnight
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),  # Monday in summer time
        (datetime(2026, 10, 26, 12, 0, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ],
)
def test_a_week_begins_on_monday_at_midnight_of_the_zone(now: datetime, begun: datetime) -> None:
    assert monday(now, BERLIN) == begun
