"""How fast work is done: arrivals and finished images by day, the backlog they leave, its forecast, a person's rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import sqrt

DAYS_MEASURED = 14
"""How many days before today the rates come from."""
_LEAST_DAYS = 3
"""With fewer days a forecast would be a guess."""
_DEVIATIONS = 1.28
"""Four of five times the mean of such days is within so many standard errors."""
LONGEST_SPAN = timedelta(hours=8)
"""A longer time between two completed jobs of a person holds a night, and says nothing about the work."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day in images: how many arrived and were finished, and how many waited at its end."""

    date: date
    arrived: int
    finished: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """In how many days the backlog is finished, if nothing else arrives, by the rates of the measured days.

    `days_high` is None where the slower rate is none at all.
    """

    finished_per_day: float
    arrived_per_day: float
    days_low: float
    days_high: float | None
    measured_days: int


@dataclass(frozen=True, slots=True)
class DoneJob:
    """A completed job: its images, when its person got it (None if unknown), when it was completed, its dataset."""

    images: int
    assigned_at: datetime | None
    done_at: datetime
    dataset: str = ""


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins in a zone, as a time in UTC. Where a clock change skips midnight, that is the change."""
    # In UTC, because two times with the same zone are compared by their clocks, which an hour of autumn shows twice.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def midnights(now: datetime, zone: tzinfo, before: int) -> Sequence[datetime]:
    """Return the beginnings of so many days `before` today, of today and of tomorrow, in UTC.

    A day of a clock change has 23 or 25 hours.
    """
    today = now.astimezone(zone).date()
    return [midnight(today + timedelta(days=number), zone) for number in range(-before, 2)]


def monday(now: datetime, zone: tzinfo) -> datetime:
    """Return when the week of `now` began in a zone, as a time in UTC."""
    today = now.astimezone(zone).date()
    return midnight(today - timedelta(days=today.weekday()), zone)


def days_with_backlog(first: date, arrived: Sequence[int], finished: Sequence[int], backlog_now: int) -> Sequence[Day]:
    """Return the days from `first` to today; the backlog of each follows from that of now, backwards."""
    backlog, days = backlog_now, []
    for number in reversed(range(len(arrived))):
        days.append(Day(first + timedelta(days=number), arrived[number], finished[number], max(0, backlog)))
        backlog += finished[number] - arrived[number]
    return days[::-1]


def forecast(days: Sequence[Day], backlog: int) -> Forecast | None:
    """Return when the backlog is finished, from whole days, the last of `days` (today) not among them.

    None without a backlog, before the third day with images, or if nothing was finished.
    """
    whole = list(days[:-1])
    while whole and not (whole[0].arrived or whole[0].finished):
        whole.pop(0)
    if not backlog or len(whole) < _LEAST_DAYS or not any(day.finished for day in whole):
        return None
    rates = [day.finished for day in whole]
    mean = sum(rates) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates) / (len(rates) - 1))
    error = _DEVIATIONS * deviation / sqrt(len(rates))
    slow = mean - error
    arrived = sum(day.arrived for day in whole) / len(whole)
    return Forecast(mean, arrived, backlog / (mean + error), backlog / slow if slow > 0 else None, len(whole))


def first_forecast(days: Sequence[Day]) -> date:
    """Return the first day on which there can be a forecast, where there is none on the last of `days`, today.

    There is one then if an image was finished on a day before it.
    """
    today = days[-1].date
    first = next((day.date for day in days if day.arrived or day.finished), today)
    return max(first + timedelta(days=_LEAST_DAYS), today + timedelta(days=1))


def measured_times(jobs: Sequence[DoneJob]) -> Sequence[tuple[DoneJob, timedelta]]:
    """Return the jobs of a person whose time is known, each with it.

    The time of a job is that since the job before was completed, or since it was assigned if that is later. Jobs whose
    time is longer than LONGEST_SPAN do not count.
    """
    found, before = [], None
    for job in sorted(jobs, key=lambda job: job.done_at):
        begun = max((at for at in (job.assigned_at, before) if at is not None), default=None)
        before = job.done_at
        if begun is not None and timedelta() <= job.done_at - begun <= LONGEST_SPAN:
            found.append((job, job.done_at - begun))
    return found


def images_per_hour(measured: Sequence[tuple[DoneJob, timedelta]]) -> float | None:
    """Return how many images an hour a person completed in `measured_times`; None where no job tells."""
    time = sum((length for _, length in measured), timedelta())
    images = sum(job.images for job, _ in measured)
    return images / (time / timedelta(hours=1)) if time >= timedelta(minutes=1) else None
