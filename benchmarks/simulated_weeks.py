"""Eight weeks of a simulated team: lots arrive, a policy chooses, people work, reviews send jobs back.

A lot is several batches. At its arrival and each noon it is forecast when a batch and when all will be done.
"""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from simulated_team import BEGIN, REWORK, WEEKS, Person

from labelyard.domain.assignment import (
    ASSIGNMENT_POLICIES,
    Annotator,
    AssignmentRules,
    FreeJob,
    PersonRules,
    PolicyState,
    informed,
    unavailable,
)
from labelyard.domain.futures import Range, Worker, simulate
from labelyard.domain.throughput import DoneJob
from labelyard.domain.work_history import DAYS_LEARNED, OpenJob, WorkHistory

LOTS = WEEKS // 2
_BATCHES, _JOBS, _OF_JOB = 5, 30, 40
"""In a lot, in a batch, and images in a job."""
_ARRIVAL = 1440.0 + 13 * 60
"""Tuesday 13:00, when everybody works: policies without a limit give all jobs to those who work when they arrive."""
_VARIATION = 0.25
"""How the times of jobs vary: the deviation of their logarithm."""
_LOOK = 60.0
"""Minutes between looks, beside those when something is completed."""
_SEEN = 60
"""Jobs that a policy with a limit chooses from; more of them change nothing, and take time."""


@dataclass
class Job:
    """A job; times are minutes since BEGIN."""

    id: int
    lot: int
    batch: int
    images: int
    luck: float
    """Its difficulty."""
    person: str | None = None
    assigned: float = 0.0
    done: float | None = None
    rounds: int = 0


@dataclass(frozen=True)
class Foreseen:
    """A forecast, and the jobs that it is about."""

    subject: str
    at: float
    range: Range
    jobs: Sequence[Job]

    @property
    def end(self) -> datetime:
        """When they were done."""
        return _time(max(one.done or 0.0 for one in self.jobs))

    @property
    def missed(self) -> str:
        """How the range does not hold the end: "early", "late"; "" if it does."""
        if self.range.early is None or self.end < self.range.early:
            return "early"
        return "late" if self.range.late is not None and self.end > self.range.late else ""


class Weeks:
    """A team with a policy."""

    def __init__(self, team: Sequence[Person], policy: str, limit: int | None, rng: random.Random) -> None:
        self.team = {one.name: one for one in team}
        self.policy, self.limit, self.rng = policy, limit, rng
        self.rules = AssignmentRules(policy, people={one.name: PersonRules(limit, one.hours) for one in team})
        self.jobs = [
            Job(at, at // _JOBS // _BATCHES, at // _JOBS, _OF_JOB, rng.lognormvariate(-(_VARIATION**2) / 2, _VARIATION))
            for at in range(LOTS * _BATCHES * _JOBS)
        ]
        self.free: deque[Job] = deque()
        self.queues: dict[str, deque[Job]] = {one.name: deque() for one in team}
        self.busy: dict[str, int] = {}
        """The event that ends what each person works on."""
        self.finished: dict[str, list[Job]] = defaultdict(list)
        self.done: dict[str, deque[DoneJob]] = {one.name: deque() for one in team}
        """What labelyard knows of the finished ones, of the last two weeks."""
        self.first_rounds, self.at_once = 0, 0
        self.assigned = 0
        self.begins = [lot * 14 * 1440.0 + _ARRIVAL for lot in range(LOTS)]
        self.foreseen: list[Foreseen] = []
        self.looks, self.forecast_seconds = 0, 0.0

    @property
    def ends(self) -> list[float]:
        """When each lot was done."""
        return [max(one.done or 0.0 for one in self.jobs if one.lot == lot) for lot in range(LOTS)]

    def run(self) -> None:
        """Let the weeks pass, until all lots are done."""
        events = [(begin, 0, "lot", str(lot)) for lot, begin in enumerate(self.begins)]
        events.append((0.0, 1, "look", ""))
        heapq.heapify(events)
        number = 2
        while any(one.done is None for one in self.jobs):
            at, which, what, of = heapq.heappop(events)
            if what == "done" and self.busy.get(of) != which:
                continue  # it was given to somebody else
            self._give_up(at)
            if what == "lot":
                self.free += [one for one in self.jobs if one.lot == int(of)]
            elif what == "done":
                self._complete(self.team[of], at)
            else:
                number += 1
                heapq.heappush(events, (at + _LOOK, number, "look", ""))
            self._choose(at)
            for one in self.team.values():
                if self.queues[one.name] and one.name not in self.busy:
                    number += 1
                    self.busy[one.name] = number
                    heapq.heappush(events, (self._end(one, at), number, "done", one.name))
            if what == "lot" or (what == "look" and at % 1440 == 12 * 60):
                self._forecast(at)

    def minutes_of_lot(self, lot: int) -> float:
        """Return the images of a lot, each by its difficulty."""
        return sum(one.images * one.luck for one in self.jobs if one.lot == lot)

    def spread_of_load(self) -> float:
        """Return how far apart people were in the time at which they had done their part of a lot, in hours."""
        found = []
        for lot in range(1, LOTS):
            ends = [
                max((job.done or 0.0 for job in self.finished[name] if job.lot == lot), default=None)
                for name in self.team
            ]
            found.append(statistics.pstdev([end for end in ends if end is not None]) / 60)
        return statistics.mean(found)

    def accepted_at_once(self) -> float:
        """Return the share of jobs that were accepted at once."""
        return self.at_once / self.first_rounds

    def _give_up(self, at: float) -> None:
        """Take the jobs of people who are away from them, as a lead does with `labelyard reassign`."""
        for name in self._away(at):
            self.free.extendleft(reversed(self.queues[name]))
            self.queues[name].clear()
            self.busy.pop(name, None)

    def _end(self, one: Person, at: float) -> float:
        job = self.queues[one.name][0]
        minutes = one.minutes[one.week(at)] * job.images * job.luck * (REWORK if job.rounds else 1)
        return one.end(at, minutes)

    def _complete(self, one: Person, at: float) -> None:
        del self.busy[one.name]
        job = self.queues[one.name][0]
        job.rounds += 1
        is_accepted = job.rounds > 1 or self.rng.random() < one.care[one.week(at)]
        self.first_rounds += job.rounds == 1
        self.at_once += job.rounds == 1 and is_accepted
        self.queues[one.name].popleft()
        if is_accepted:
            job.done = at
            self.finished[one.name].append(job)
            self.done[one.name].append(DoneJob(job.images, _time(job.assigned), _time(at), "street"))
        else:
            self.queues[one.name].appendleft(job)  # people first correct what came back

    def _choose(self, at: float) -> None:
        if not self.free:
            return
        self.looks += 1
        now = _time(at)
        away = self._away(at)
        annotators = [
            Annotator(
                name, len(queue), sum(job.images for job in queue), self.limit,
                unavailable(self.rules.of(name), now, away.get(name), is_away=name in away),
                last_assigned=_time(max((job.assigned for job in [*queue, *self.finished[name][-1:]]), default=0.0)),
            )
            for name, queue in self.queues.items()
        ]  # fmt: skip
        if all(one.unavailable or (self.limit or 10**9) <= one.open_jobs for one in annotators):
            return
        if self.policy == "forecast":
            images = {one.name: {"street": float(one.open_images)} for one in annotators}
            annotators = list(informed(annotators, "street", self.rules, self._history(at), images, away))
        jobs = [
            FreeJob(one.id, one.batch, one.id, one.images) for one in islice(self.free, _SEEN if self.limit else None)
        ]
        by_id = {one.id: one for one in self.free}
        for choice in ASSIGNMENT_POLICIES[self.policy](jobs, annotators, PolicyState(self.assigned)):
            if choice.annotator:
                job = by_id[choice.job_id]
                job.person, job.assigned = choice.annotator, at
                self.queues[choice.annotator].append(job)
                self.free.remove(job)
                self.assigned += 1

    def _away(self, at: float) -> dict[str, datetime | None]:
        day = at / 1440
        return {
            one.name: _time(one.away[1] * 1440)
            for one in self.team.values()
            if one.away and one.away[0] <= day < one.away[1]
        }

    def _history(self, at: float) -> WorkHistory:
        since = _time(at) - timedelta(days=DAYS_LEARNED)
        for jobs in self.done.values():
            while jobs and jobs[0].done_at < since:
                jobs.popleft()
        held = {name: [_time(job.assigned) for job in queue] for name, queue in self.queues.items()}
        return WorkHistory(_time(at), self.done, held)

    def _forecast(self, at: float) -> None:
        left = [one for one in self.jobs if one.done is None and self.begins[one.lot] <= at]
        began = time.process_time()
        history = self._history(at)
        if not left or not history.learned.means:
            return
        batches = sorted({one.batch for one in left})
        self._foresee("backlog", at, history, left, batches[-1])
        if len(batches) > 1:
            batch = self.rng.choice(batches[:-1])
            self._foresee("batch", at, history, [one for one in left if one.batch == batch], batch)
        self.forecast_seconds += time.process_time() - began

    def _foresee(self, subject: str, at: float, history: WorkHistory, jobs: Sequence[Job], last_batch: int) -> None:
        away, workers = self._away(at), list[Worker]()
        asked = {one.id for one in jobs}
        for name, one in self.team.items():
            pace = history.learned.pace(name, "street")
            assert pace is not None
            queue = list(self.queues[name])
            last = max((number for number, job in enumerate(queue) if job.id in asked), default=-1)
            mine = [OpenJob(job.images, "street", job.rounds > 0) for job in queue[: last + 1] or queue]
            own = history.minutes_left(name, mine, one.hours, "street")
            workers.append(
                Worker(
                    name, pace.minutes, pace.error, own, len(mine), last >= 0, one.hours, away.get(name), name in away,
                    history.days(name, one.hours),
                )
            )  # fmt: skip
        images = float(sum(job.images for job in self.free if job.batch <= last_batch))
        counted = float(sum(job.images for job in self.free if job.id in asked))
        waits = self.policy == "forecast" and not any(job.batch > last_batch for job in self.free)
        found = simulate(workers, images, history.now, counted=counted, of_job=_OF_JOB, waits=waits)
        if found is not None:
            self.foreseen.append(Foreseen(subject, at, found, jobs))


def _time(at: float) -> datetime:
    return BEGIN + timedelta(minutes=at)
