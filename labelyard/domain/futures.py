"""When work will be done: a median and an 80 % range, from futures that are simulated of what is known of people.

In each future everybody works on each day a share of their time that they, or others, worked on a day before, at a pace
within the error of theirs. What is theirs comes first, then what nobody has: who works more does more of it. The random
numbers come from the names and the day, so that two looks agree.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import exp, hypot

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
_DRIFT_OF_ALL = 0.14
"""The same of all people together: images are harder, somebody is ill. benchmarks/assignment.py measures the ranges."""
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


def simulate(
    workers: Sequence[Worker],
    images: float,
    now: datetime,
    zone: tzinfo = UTC,
    *,
    arriving: Sequence[float] = (),
    of_job: float = 0.0,
    futures: int = _FUTURES,
) -> Range | None:
    """Return when the work of `workers` that counts, and `images` that nobody has yet, are done.

    `of_job` are the images of a job: towards the end some people have nothing to do while others complete their last
    one. `arriving` are images of earlier days: what will arrive on each day until then, and is to be done, too. None if
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
        end, days = _future(people, images + _idle(images, len(people) * of_job, rng), arriving, rng)
        ends.append(end)
        steps += days * len(people)
    ordered = sorted(ends, key=lambda at: (at is None, at or now))
    median, early, late = (ordered[int(part * (len(ordered) - 1) + 0.5)] for part in (0.5, 0.1, 0.9))
    return Range(median, early, late)


def _future(
    people: Sequence[_Person], images: float, arriving: Sequence[float], rng: random.Random
) -> tuple[datetime | None, int]:
    """Return when all is done in one future, and how many days it took; None after FURTHEST days."""
    of_all = rng.gauss(0.0, _DRIFT_OF_ALL)
    factors = [exp(of_all + rng.gauss(0.0, hypot(one.worker.error, _DRIFT))) for one in people]
    left = [one.worker.own * factor for one, factor in zip(people, factors, strict=True)]
    open_people = {at for at, one in enumerate(people) if one.worker.counts and left[at] > 0}
    end: datetime | None = None
    shared = images
    for day in range(FURTHEST + 1):
        if arriving and day:
            shared += arriving[int(rng.random() * len(arriving))]
        made: list[tuple[float, _Person]] = []
        for at, one in enumerate(people):
            work = one.work(day, rng)
            if work < left[at] or not work:
                left[at] -= work
                continue
            if at in open_people:
                open_people.remove(at)
                end = _later(end, one.at(day, left[at] / work))
            made.append(((work - left[at]) / (one.worker.minutes * factors[at]), one))
            left[at] = 0.0
        of_day = sum(number for number, _ in made)
        if 0 < shared <= of_day:
            end = _later(end, max(made, key=lambda of: of[0])[1].at(day, shared / of_day))
        shared -= min(of_day, max(shared, 0.0))
        if shared <= 0 and not open_people:
            return end, day + 1
    return None, FURTHEST


def _idle(images: float, of_all: float, rng: random.Random) -> float:
    """Return the images that people could have done who have nothing to do at the end, with a job for each of them."""
    return rng.random() * min(of_all, images)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other > one else one
