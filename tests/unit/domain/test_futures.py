"""Forecasts from simulated futures: ranges, hours, absences, what is somebody's and what is everybody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import process_time

from labelyard.domain.futures import Range, Worker, simulate
from labelyard.domain.work_history import PastDay
from labelyard.domain.working_hours import WorkingHours, parse_hours

MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY = timedelta(days=1)
OFFICE = WorkingHours((parse_hours("mon-fri 09:00-17:00"),), UTC)
DAYS = tuple(PastDay(share, is_weekend=False, of_hours=True) for share in (0.6, 0.8, 0.9, 1.0))
ANN = Worker("ann", 1.0, hours=OFFICE, days=DAYS)
BEN = replace(ANN, name="ben")


def found(*workers: Worker, images: float = 0, **others: object) -> Range:
    known = simulate(workers, images, MONDAY, **others)  # type: ignore[arg-type]
    assert known is not None
    assert known.median is not None
    assert known.early is not None
    assert known.early <= known.median <= (known.late or known.median)
    return known


def medians(*ranges: Range) -> list[datetime]:
    return [one.median for one in ranges if one.median]


def test_two_looks_agree_and_more_people_are_sooner() -> None:
    assert found(ANN, images=1000) == found(ANN, images=1000)
    both, one, more = medians(found(ANN, BEN, images=1000), found(ANN, images=1000), found(ANN, images=1200))
    assert both < one < more
    assert timedelta(days=2) < one - MONDAY < timedelta(days=4)


def test_all_ends_are_in_somebodys_hours_and_after_an_absence() -> None:
    later = replace(ANN, is_away=True, away_until=MONDAY + 2 * DAY)
    [end, after] = medians(found(ANN, images=50), found(later, images=50))
    assert OFFICE.include(end)
    assert OFFICE.include(after)
    assert after > MONDAY + 2 * DAY > end


def test_what_somebody_has_is_done_by_nobody_else() -> None:
    busy = replace(ANN, own=1000.0, counts=True)
    alone, helped = medians(found(busy, BEN), found(busy, BEN, images=300))
    assert abs(alone - helped) < DAY, "ben does the others meanwhile"
    endless = simulate([replace(busy, is_away=True), BEN], 0, MONDAY)
    assert endless == Range(None, None, None), "nobody knows when she is back"


def test_a_last_job_that_somebody_takes_home_is_late_unless_it_waits_for_somebody_else() -> None:
    friday = WorkingHours((parse_hours("mon-mon 09:00-11:00"), parse_hours("fri 09:00-17:00")), UTC)
    team = (replace(ANN, hours=friday), replace(BEN, minutes=0.5))
    home, waits = medians(found(*team, images=500, of_job=120), found(*team, images=500, of_job=120, waits=True))
    assert home - MONDAY > 3 * DAY > waits - MONDAY


def test_of_a_batch_only_its_own_last_jobs_count() -> None:
    friday = WorkingHours((parse_hours("mon-mon 09:00-11:00"), parse_hours("fri 09:00-17:00")), UTC)
    team = (replace(ANN, hours=friday), replace(BEN, minutes=0.5))
    [part] = medians(found(*team, images=1500, of_job=120, counted=150))
    assert part - MONDAY < 3 * DAY, "she took a job of another batch home"


def test_arrivals_make_it_later_or_endless() -> None:
    now, later = medians(found(ANN, images=1000), found(ANN, images=1000, arriving=[0, 100, 200]))
    assert now < later
    endless = simulate([ANN], 1000, MONDAY, arriving=[900])
    assert endless is not None
    assert endless.median is None


def test_nothing_is_forecast_without_work_or_without_a_known_day() -> None:
    assert simulate([ANN], 0, MONDAY) is None
    assert simulate([replace(ANN, days=())], 100, MONDAY) is None


def test_a_long_forecast_of_many_people_is_cheap() -> None:
    team = [replace(ANN, name=f"p{number}", minutes=20.0) for number in range(20)]
    began = process_time()
    simulate(team, 20_000, MONDAY, arriving=[10, 20])
    assert process_time() - began < 0.5, "it takes about 0.05 s"
