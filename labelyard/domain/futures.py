"""When work will be done: a median and an 80 % range, from futures that are simulated of what is known of people.

In each future everybody works on each day a share of their time that they, or others, worked on a day before, at a pace
within the error of theirs; some are away for days, which nobody knows before. What is theirs comes first, then what
nobody has: who works more does more of it. The random numbers come from the names and the day, so that two looks agree.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import exp, hypot, sqrt

from labelyard.domain.learned_work import JOB_VARIATION
from labelyard.domain.throughput import midnight
from labelyard.domain.work_history import PastDay
from labelyard.domain.working_hours import WorkingHours

FURTHEST = 120
"""Days; what is done later has no date."""
_FUTURES = 150
_STEPS = 20_000
"""Days of a person that are simulated at most for a range: it has to be cheap."""
_LEAST_FUTURES = 40
_OWN_DAYS = 2.0
"""With so many own days a person's future days are half their own, half the team's."""
_DRIFT = 0.1
"""How much the pace of a person changes until then: the deviation of its logarithm."""
_DRIFT_OF_ALL = 0.05
"""The same of all people together: images are harder, somebody is ill. benchmarks/assignment.py measures the ranges."""
_HALVINGS = 10
"""So the time of a day is known to a minute."""
_ABSENCES, _LONGEST_ABSENCE = 0.01, 5
"""How many absences of a person begin on a day, and the days of the longest: that is six to seven weeks' days a year.

The ledger knows too few to learn from. Those that people have announced are known, beside these.
"""
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Range:
    """When something is done: four of five futures end between `early` and `late`. None: after FURTHEST days."""

    median: datetime | None
    early: datetime | None
    late: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who works on what is forecast."""

    name: str
    minutes: float
    """For an image that nobody has yet."""
    error: float = 0.0
    """The standard error of their minutes, as a share."""
    own: float = 0.0
    """Minutes of the work that they have, as far as it is done before the end of what is forecast."""
    own_jobs: int = 1
    """How many jobs that is."""
    counts: bool = False
    """Whether some of it is part of what is forecast."""
    hours: WorkingHours | None = None
    away_until: datetime | None = None
    is_away: bool = False
    """Without `away_until` for ever."""
    days: Sequence[PastDay] = field(default=())


class _Person:
    """A worker in many futures: when they can work on each day, and on which shares of it they may."""

    def __init__(self, worker: Worker, team: Sequence[PastDay], now: datetime, zone: tzinfo) -> None:
        self.worker = worker
        self._zone = worker.hours.zone if worker.hours else zone
        self._begin = max(now, worker.away_until or now)
        self._never = worker.is_away and worker.away_until is None
        self._today = now.astimezone(zone).date()
        self._spans: list[Sequence[tuple[datetime, datetime]]] = []
        self._minutes: list[float] = []
        alike = [one for one in team if one.of_hours == (worker.hours is not None)]
        self._own, self._team = ([_shares(of, weekend) for weekend in (False, True)] for of in (worker.days, alike))
        self._is_own = len(worker.days) / (len(worker.days) + _OWN_DAYS)

    def minutes(self, number: int) -> float:
        """Return how many minutes of their time a day has, from today on."""
        while len(self._spans) <= number:
            spans = [] if self._never else self._spans_of(self._today + len(self._spans) * _DAY)
            self._spans.append(spans)
            self._minutes.append(sum((high - low) / _MINUTE for low, high in spans))
        return self._minutes[number]

    def work(self, number: int, rng: random.Random) -> float:
        """Return how many minutes they work on a day of a future."""
        time = self.minutes(number)
        if not time:
            return 0.0
        weekend = self.worker.hours is None and (self._today + number * _DAY).weekday() > 4
        own = self._own[weekend] if rng.random() < self._is_own else ()
        shares = own or self._team[weekend]
        return time * shares[int(rng.random() * len(shares))] if shares else 0.0

    def at(self, number: int, part: float) -> datetime:
        """Return when a part of their time of a day is over."""
        left = part * self.minutes(number) * _MINUTE
        for low, high in self._spans[number]:
            if left <= high - low:
                return low + left
            left -= high - low
        return self._spans[number][-1][1]

    def passed(self, number: int, end: datetime) -> float:
        """Return which part of their time of a day is over at a time."""
        minutes = self.minutes(number)
        passed = sum((min(high, end) - low) / _MINUTE for low, high in self._spans[number] if low < end)
        return passed / minutes if minutes else 0.0

    def _spans_of(self, day: date) -> Sequence[tuple[datetime, datetime]]:
        hours = self.worker.hours
        begin, end = midnight(day, self._zone), midnight(day + _DAY, self._zone)
        # A night shift of the day before ends on this one.
        spans = hours.spans(day - _DAY, 2) if hours else iter([(begin, end)])
        clipped = ((max(low, begin, self._begin), min(high, end)) for low, high in spans)
        return [(low, high) for low, high in clipped if high > low]


def _shares(days: Sequence[PastDay], weekend: bool) -> Sequence[float]:  # noqa: FBT001 - an index of two lists
    found = [one.share for one in days if one.of_hours or one.is_weekend == weekend]
    return found or [one.share for one in days if not weekend]


def simulate(  # noqa: PLR0913 - all that a forecast depends on
    workers: Sequence[Worker],
    images: float,
    now: datetime,
    zone: tzinfo = UTC,
    *,
    arriving: Sequence[float] = (),
    of_job: float = 0.0,
    counted: float | None = None,
    waits: bool = False,
    futures: int = _FUTURES,
) -> Range | None:
    """Return when the work of `workers` that counts, and `images` that nobody has yet, are done.

    `counted` are those of the images that count, None: all; the others are done before them.

    `of_job` are the images of a job. When all jobs are taken, people still have to complete their last ones, some after
    a weekend; `waits` says that the last jobs wait for those who complete them first instead (policy `forecast`).
    `arriving` are images of earlier days: what will arrive on each day until then, and is to be done, too. None if
    nothing is to be done, or nobody's days are known.
    """
    team = [day for one in workers for day in one.days]
    if not team or not (images or any(one.counts and one.own for one in workers)):
        return None
    people = [_Person(one, team, now, zone) for one in workers]
    rng = random.Random(f"{now.astimezone(zone).date()} {' '.join(one.name for one in workers)}")  # noqa: S311
    ends: list[datetime | None] = []
    steps = 0
    while len(ends) < futures and (len(ends) < _LEAST_FUTURES or steps < _STEPS):
        future = _Future(people, images, images if counted is None else counted, of_job, rng, waits=waits)
        end, days = future.run(arriving)
        ends.append(end)
        steps += days * len(people)
    ordered = sorted(ends, key=lambda at: (at is None, at or now))
    median, early, late = (ordered[int(part * (len(ordered) - 1) + 0.5)] for part in (0.5, 0.1, 0.9))
    return Range(median, early, late)


class _Future:
    """One future."""

    def __init__(
        self,
        people: Sequence[_Person],
        images: float,
        counted: float,
        of_job: float,
        rng: random.Random,
        *,
        waits: bool,
    ) -> None:
        self._people, self._rng, self._counted, self._waits = people, rng, counted, waits
        of_all = rng.gauss(0.0, _DRIFT_OF_ALL)
        factors = [exp(of_all + rng.gauss(0.0, hypot(one.worker.error, _DRIFT))) for one in people]
        self._minutes = [one.worker.minutes * factor for one, factor in zip(people, factors, strict=True)]
        """For an image."""
        self._left = [
            one.worker.own * factor * _luck(one.worker.own_jobs, rng)
            for one, factor in zip(people, factors, strict=True)
        ]
        """Minutes of the jobs that they have."""
        self._counting = {at for at, one in enumerate(people) if one.worker.counts and self._left[at] > 0}
        """Who has jobs that count."""
        self._absences = [_absence(rng) for _ in people]
        self._end: datetime | None = None
        # Some have nothing to do at the end, while others complete their last job.
        images *= _luck(images / of_job if of_job else 1.0, rng)
        self._images = images + (rng.random() * min(of_job * len(people), images) if waits else 0.0)
        self._last = [0.0 if waits else rng.random() * of_job for _ in people]
        """How many images of their last job people have left when nobody can get another one."""
        self._takers: set[int] = set()
        """Who has taken jobs of those that count."""

    def run(self, arriving: Sequence[float]) -> tuple[datetime | None, int]:
        """Return when all is done, and how many days it took; None after FURTHEST days."""
        for day in range(FURTHEST + 1):
            if arriving and day:
                self._images += arriving[int(self._rng.random() * len(arriving))]
            self._work(day)
            if self._images <= 0 and not self._counting:
                return self._end, day + 1
        return None, FURTHEST

    def _work(self, day: int) -> None:
        """Let everybody work on a day, on their own jobs first."""
        free: dict[int, tuple[float, float]] = {}
        """The minutes that each works, and those of them for jobs that nobody had."""
        for at, one in enumerate(self._people):
            work = 0.0 if day in self._absences[at] else one.work(day, self._rng)
            if work < self._left[at] or not work:
                self._left[at] -= work
                continue
            if at in self._counting:
                self._counting.remove(at)
                self._done(at, day, self._left[at] / work)
            free[at] = work, work - self._left[at]
            self._left[at] = 0.0
        if self._images > 0 and free:
            self._share(day, free)

    def _share(self, day: int, free: dict[int, tuple[float, float]]) -> None:
        """Let people work on what nobody has, until all of it is taken; then they complete their last jobs."""
        of_day = sum(minutes / self._minutes[at] for at, (_, minutes) in free.items())
        takers = self._takers | free.keys()
        begun = sum(self._last[at] for at in takers)
        if self._images - begun > of_day:
            self._images -= of_day
            if self._images < self._counted:
                self._takers = takers
            return
        last = min(1.0, self._images / begun) if begun else 0.0
        end = self._when(day, free, max(0.0, self._images - begun))
        self._images = 0.0
        if self._waits:
            self._end = max(end, self._end or end)
            return
        for at in takers:
            needed = self._last[at] * last * self._minutes[at]
            work, minutes = free.get(at, (0.0, 0.0))
            before = self._people[at].passed(day, end) * work
            if at not in self._takers and before <= work - minutes:
                continue  # they have not come to it
            if at in free and before + needed <= work:
                self._done(at, day, (before + needed) / work)
            elif needed:
                self._left[at] = needed - (work - before)
                self._counting.add(at)
        self._takers.clear()

    def _when(self, day: int, free: dict[int, tuple[float, float]], images: float) -> datetime:
        """Return when so many images of a day are done."""
        low = min(self._people[at].at(day, 0.0) for at in free)
        high = max(self._people[at].at(day, 1.0) for at in free)
        for _ in range(_HALVINGS):
            middle = low + (high - low) / 2
            done = 0.0
            for at, (work, minutes) in free.items():
                done += max(0.0, minutes - work * (1 - self._people[at].passed(day, middle))) / self._minutes[at]
            low, high = (middle, high) if done < images else (low, middle)
        return high

    def _done(self, at: int, day: int, part: float) -> None:
        """Remember that somebody completes what counts when a part of their day is over."""
        end = self._people[at].at(day, part)
        self._end = end if self._end is None or end > self._end else self._end


def _luck(jobs: float, rng: random.Random) -> float:
    """Return how much longer than expected so many jobs take together."""
    return exp(rng.gauss(0.0, JOB_VARIATION / sqrt(max(1.0, jobs))))


def _absence(rng: random.Random) -> range:
    """Return the days on which somebody is away whom nobody expects to be."""
    first = int(rng.expovariate(_ABSENCES))
    return range(first, first + 1 + int(rng.random() * _LONGEST_ABSENCE))
