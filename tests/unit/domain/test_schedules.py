"""Cron expressions and intervals, and how declared schedules differ from those in Prefect."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule as ClientCron
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

from labelyard.domain.plan import Action, FoundSchedule, plan_schedules
from labelyard.domain.schedules import Timing, Verb, normalized_cron
from tests.support.examples import examples

BERLIN = "Europe/Berlin"
NIGHTLY, HOURLY = Timing(BERLIN, cron="0 2 * * *"), Timing(BERLIN, interval=timedelta(hours=1))


def _items(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    stepped = st.tuples(st.one_of(span, st.just("*")), st.integers(1, high)).map(lambda both: f"{both[0]}/{both[1]}")
    return st.lists(st.one_of(number.map(str), span, stepped, st.just("*")), min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(_items(0, 59), _items(0, 23), _items(1, 28), _items(1, 12), _items(0, 6)).map(" ".join)


@given(CRONS)
@settings(max_examples=examples(60))
def test_prefect_accepts_and_schedules_every_expression_that_is_accepted(text: str) -> None:
    assert normalized_cron(text) == text
    ClientCron(cron=text, timezone=BERLIN)
    assert len(asyncio.run(CronSchedule(cron=text, timezone=BERLIN).get_dates(1))) == 1


@given(st.text("0123456789*/-, mon\t", max_size=24))
@settings(max_examples=examples(200))
def test_any_text_that_is_accepted_is_an_expression_for_prefect_too(text: str) -> None:
    accepted = None
    with suppress(ValueError):
        accepted = normalized_cron(text)
    if accepted is not None:
        ClientCron(cron=accepted)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 2 * *", "the five fields of cron"),
        ("@daily", "the five fields of cron"),
        ("60 2 * * *", "minute: '60' is wrong: write numbers from 0 to 59"),
        ("0 2 * * 7", "day of week: '7' is wrong: write numbers from 0 to 6, or sun to sat"),
        ("0 2 * * fri-mon", "begins after its end"),
        ("0 5/2 * * *", "hour: write a range before the step, such as 5-23/2"),
        ("0 */0 * * *", "hour: write a step from 1 to 23"),
        ("0 2 30 feb *", "none of these months has a day 30"),
    ],
)
def test_an_error_names_the_field_and_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("*", r"\*")):
        normalized_cron(text)


def test_names_of_days_and_months_and_any_blanks_are_accepted() -> None:
    assert normalized_cron(" 0  2 * JAN-mar\tmon-FRI ") == "0 2 * JAN-mar mon-FRI"


def _local_times(schedule: CronSchedule | IntervalSchedule, start: datetime) -> list[str]:
    found = asyncio.run(schedule.get_dates(4, start=start))
    return [f"{date.astimezone(UTC):%d %H:%M}" for date in found]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (datetime(2026, 3, 27, 12, tzinfo=UTC), ["28 05:00", "29 04:00", "30 04:00", "31 04:00"]),
        (datetime(2026, 10, 23, 12, tzinfo=UTC), ["24 04:00", "25 05:00", "26 05:00", "27 05:00"]),
    ],
)
def test_six_in_the_morning_stays_six_when_the_clocks_change(start: datetime, expected: list[str]) -> None:
    assert _local_times(CronSchedule(cron=normalized_cron("0 6 * * *"), timezone=BERLIN), start) == expected


@pytest.mark.parametrize("start", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)])
def test_an_hour_that_a_change_of_clocks_skips_or_repeats_has_one_run_each_day(start: datetime) -> None:
    times = _local_times(CronSchedule(cron=normalized_cron("30 2 * * *"), timezone=BERLIN), start)
    first = start.day + 1
    assert [int(time[:2]) for time in times] == [first, first + 1, first + 2, first + 3]


def found(verb: Verb, timing: Timing | None, *, active: bool = True, ours: bool = True) -> FoundSchedule:
    return FoundSchedule("street", verb, timing, str(timing) if timing else "rrule FREQ=DAILY", active, ours)


def test_equal_schedules_do_not_differ() -> None:
    assert list(plan_schedules("street", {Verb.INGEST: NIGHTLY}, [found(Verb.INGEST, NIGHTLY)])) == []


def test_schedules_are_created_changed_back_and_deleted() -> None:
    actual = [found(Verb.INGEST, HOURLY), found(Verb.RELEASE, NIGHTLY)]
    differences = plan_schedules("street", {Verb.INGEST: NIGHTLY, Verb.SWEEP: HOURLY}, actual)
    assert [str(one) for one in differences] == [
        "~ ingest: 0 2 * * * Europe/Berlin, in Prefect every 1h Europe/Berlin → change the schedule back",
        "- release: 0 2 * * * Europe/Berlin → delete the schedule",
        "+ sweep: every 1h Europe/Berlin → create the schedule",
    ]


def test_a_pause_and_a_schedule_that_a_person_added_stay_and_are_named() -> None:
    actual = [found(Verb.INGEST, NIGHTLY, active=False), found(Verb.RELEASE, None, ours=False)]
    differences = list(plan_schedules("street", {Verb.INGEST: NIGHTLY}, actual))
    assert {one.action for one in differences} == {Action.REPORT}
    assert [str(one) for one in differences] == [
        "! ingest: a person has paused it in Prefect; it stays paused",
        "! release: rrule FREQ=DAILY: a person has added it in Prefect; it stays",
    ]


def test_the_schedules_of_another_dataset_do_not_count() -> None:
    assert list(plan_schedules("lane", {}, [found(Verb.INGEST, NIGHTLY)])) == []
