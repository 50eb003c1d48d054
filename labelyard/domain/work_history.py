"""What is known of the work of people: the jobs that they completed and have, and what reviews said of them.

From it come the pace of each person, and which share of their time they work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import pairwise

from labelyard.domain.learned_work import Learned, Reviewed, learn
from labelyard.domain.throughput import DoneJob, midnight
from labelyard.domain.work_calendar import Span, WorkCalendar, merged, minutes_between, overlap, working
from labelyard.domain.working_hours import WorkingHours

DAYS_LEARNED = 14
"""Work that was done before says nothing of people now."""
_LEAST_HELD = 60.0
"""Minutes of somebody's hours; a day on which they had work for less does not count."""
_WHOLE_DAY = 20 * 60.0
"""Minutes; without hours only a day on which somebody had work for so long tells how much they do in one."""
_TEAM_COUNTS = 2.0
"""The days of all count like so many days of a person."""
_RETURNED = 0.5
"""The part of a job's time that it takes again when a review sent it back."""
_MOST_BEGUN = 0.8
"""Nobody knows how much of a job is done; so much at most."""
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PastDay:
    """Which share of their time somebody worked on a day: of their hours, or without hours of the whole day."""

    share: float
    is_weekend: bool
    of_hours: bool


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that somebody has."""

    images: int
    dataset: str
    returned: bool = False
    """Whether a review sent it back."""


@dataclass(frozen=True)
class WorkHistory:
    """The work of people in the last two weeks, and now."""

    now: datetime
    done: Mapping[str, Sequence[DoneJob]] = field(default_factory=dict)
    """The completed jobs of each person."""
    held: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """Since when each person has each of their unfinished jobs."""
    reviews: Mapping[tuple[str, str], Reviewed] = field(default_factory=dict)
    """By person and dataset."""

    @cached_property
    def learned(self) -> Learned:
        """What is learned of how long work takes."""
        return learn(self.done, self.reviews, self.now)

    def last_sign(self, person: str) -> datetime | None:
        """Return when somebody last completed or got a job; None if that is not known."""
        return max((*(job.done_at for job in self.done.get(person, ())), *self.held.get(person, ())), default=None)

    def days(self, person: str, hours: WorkingHours | None, zone: tzinfo = UTC) -> Sequence[PastDay]:
        """Return the days of a person on which they had work; not today, which is not over."""
        by_clock = hours.zone if hours is not None else zone
        made: dict[date, float] = defaultdict(float)
        for job in self.done.get(person, ()):
            made[job.done_at.astimezone(by_clock).date()] += self._minutes_of(person, job)
        first = self.now.astimezone(by_clock).date() - DAYS_LEARNED * _DAY
        whole = list(pairwise(midnight(first + number * _DAY, by_clock) for number in range(DAYS_LEARNED + 1)))
        held = overlap(self._held(person), working(whole[0][0], whole[-1][1], hours))
        time: dict[date, float] = defaultdict(float)
        for low, high in overlap(whole, list(held)):
            time[low.astimezone(by_clock).date()] += (high - low) / _MINUTE
        least = _WHOLE_DAY if hours is None else _LEAST_HELD
        return [
            PastDay(min(1.5, made[day] / minutes), day.weekday() > 4, hours is not None)
            for day, minutes in time.items()
            if minutes >= least
        ]

    def minutes_left(self, person: str, jobs: Sequence[OpenJob], hours: WorkingHours | None, otherwise: str) -> float:
        """Return how long a person still needs for their jobs, in this order: they work on the first since `last_sign`.

        Unknown datasets count like the one `otherwise`.
        """
        needed = [
            self.learned.minutes_of(person, {job.dataset: job.images * (_RETURNED if job.returned else 1)}, otherwise)
            for job in jobs
        ]
        last = self.last_sign(person)
        if not needed or last is None:
            return sum(needed)
        return sum(needed) - min(minutes_between(last, self.now, hours), _MOST_BEGUN * needed[0])

    def share(self, days: Sequence[PastDay], of_all: Sequence[PastDay]) -> float | None:
        """Return the mean share of somebody with these `days`, in a team with days `of_all`; None if none is known."""
        alike = [one.share for one in of_all if not days or one.of_hours == days[0].of_hours]
        if not alike:
            return None
        mean = sum(alike) / len(alike)
        return (sum(one.share for one in days) + _TEAM_COUNTS * mean) / (len(days) + _TEAM_COUNTS)

    def calendars(
        self, people: Mapping[str, WorkingHours | None], away: Mapping[str, datetime | None], limits: Collection[str]
    ) -> Mapping[str, WorkCalendar]:
        """Return when each person works from now on, of those of whom that can be said.

        `away` are those who are, until when; of those who have as many jobs as they may (`limits`) nothing can be said
        if they have done nothing for long.
        """
        days = {name: self.days(name, hours) for name, hours in people.items()}
        of_all = [one for of_person in days.values() for one in of_person]
        found = {}
        for name, hours in people.items():
            begin = away.get(name, self.now)
            if begin is None:
                continue
            share = self.share(days[name], [one for one in of_all if one.of_hours == (hours is not None)])
            if name not in limits or not self._is_stuck(name, hours, share or 1.0):
                found[name] = WorkCalendar(max(begin, self.now), hours, share or 1.0)
        return found

    def _is_stuck(self, person: str, hours: WorkingHours | None, share: float) -> bool:
        """Return whether somebody has done nothing for the time of four of their jobs, and an hour more."""
        last, jobs = self.last_sign(person), self.done.get(person, ())
        if last is None or not jobs:
            return True
        of_job = sum(self._minutes_of(person, job) for job in jobs) / len(jobs)
        return minutes_between(last, self.now, hours) * share > 60 + 4 * of_job

    def _minutes_of(self, person: str, job: DoneJob) -> float:
        pace = self.learned.pace(person, job.dataset)
        return pace.minutes * job.images if pace else 0.0

    def _held(self, person: str) -> Sequence[Span]:
        """Return the times at which somebody had a job."""
        done = [(job.assigned_at or job.done_at, job.done_at) for job in self.done.get(person, ())]
        return merged([*done, *((at, self.now) for at in self.held.get(person, ()))])
