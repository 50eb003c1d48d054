"""How fast work is done: arrivals and finished images by day, the backlog they leave, a person's rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS_MEASURED = 14
"""How many days before today the rates come from."""
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
