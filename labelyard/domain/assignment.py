"""ASSIGNMENT_POLICIES: the ways to assign the jobs of a dataset to its annotators.

A policy is a pure function. To add one, write the function and add a line to the table; the dataset file names it as
`assignment: {policy: NAME}`. Whatever the policy, nobody gets a job over their limit, while they are away, or when they
do not work. A job that nobody may get now waits; the next look chooses again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from labelyard.domain.learned_work import Pace
from labelyard.domain.work_calendar import WorkCalendar
from labelyard.domain.work_history import WorkHistory
from labelyard.domain.working_hours import WorkingHours


@dataclass(frozen=True, slots=True)
class FreeJob:
    """A job without an annotator. Jobs are assigned by batch, then by first frame."""

    id: int
    batch: int
    """The number of its batch in the dataset."""
    start_frame: int
    images: int
    skills: frozenset[str] = frozenset()
    """What its annotator has to be good at."""
    left_by: str | None = None
    """Who had it before, and gets it no more."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """Somebody who can get jobs, and what they have now."""

    name: str
    open_jobs: int = 0
    """Unfinished jobs of the dataset, for the limit."""
    open_images: int = 0
    """Images of the unfinished jobs of all datasets on the same CVAT."""
    limit: int | None = None
    unavailable: str = ""
    """Why they get nothing now, such as "is away until 2026-12-24"."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """How good they are, by skill."""
    last_assigned: datetime | None = None
    """When they last got a job of the dataset."""
    pace: Pace | None = None
    """How long they need in this dataset; None while too little is known of it."""
    open_minutes: float = 0.0
    """How long they need for `open_images`, and for what will come back from reviews."""
    calendar: WorkCalendar | None = None
    """When they work, from now on; None if nobody knows, or if what they have does not move."""

    def obstacle(self, job: FreeJob) -> str:
        """Return why they cannot get a job now; empty if they can."""
        if job.left_by == self.name:
            return "had it before"
        if missing := sorted(job.skills - self.levels.keys()):
            return f"is not named for {', '.join(missing)}"
        if self.unavailable:
            return self.unavailable
        if self.limit is not None and self.open_jobs >= self.limit:
            return f"has {self.open_jobs} of {self.limit} open jobs"
        return ""

    def with_job(self, job: FreeJob) -> Annotator:
        """Return them with one more job."""
        return replace(
            self,
            open_jobs=self.open_jobs + 1,
            open_images=self.open_images + job.images,
            open_minutes=self.open_minutes + job.images * (self.pace.minutes if self.pace else 0.0),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The annotator chosen for a job, and the reason in one sentence; None if the job waits."""

    job_id: int
    annotator: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What the ledger remembers for a policy; `jobs_assigned` counts the jobs of the dataset's earlier choices."""

    jobs_assigned: int = 0


class AssignmentPolicy(Protocol):
    """A policy returns one choice for each job. It depends on its arguments alone; `annotators` is never empty."""

    def __call__(  # noqa: D102
        self, jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState
    ) -> list[Choice]: ...


_Pick = Callable[[FreeJob, Sequence[Annotator], int], tuple[Annotator | None, str]]
"""Chooses among those who can get a job, with the reason; the number counts the jobs that were assigned before.

None lets the job wait for somebody else.
"""
_UNKNOWN = "forecast knows too little yet"
_LENGTHS = (0.7, 1.0, 1.5)
"""How long a job may take, as a share of what is expected."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def round_robin(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState) -> list[Choice]:
    """Choose the annotators in turn, and continue where the last batch stopped; who cannot get a job is passed over."""
    names, count = [one.name for one in annotators], len(annotators)

    def pick(_job: FreeJob, able: Sequence[Annotator], turn: int) -> tuple[Annotator, str]:
        by_name = {one.name: one for one in able}
        following = [names[(turn + step) % count] for step in range(count)]
        chosen = next(name for name in following if name in by_name)
        passed = "" if chosen == following[0] else f", after {following[0]}, who cannot get it"
        return by_name[chosen], f"round robin, turn {turn + 1} over {count}{passed}"

    return _choose(jobs, annotators, state, pick)


def least_loaded(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState) -> list[Choice]:
    """Choose the annotator with the fewest images in unfinished jobs, of all datasets on this CVAT."""

    def pick(_job: FreeJob, able: Sequence[Annotator], _turn: int) -> tuple[Annotator, str]:
        one = min(able, key=_load)
        return one, f"least loaded: {_open_images(one)}, and nobody else who can get it has fewer"

    return _choose(jobs, annotators, state, pick)


def by_skill(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState) -> list[Choice]:
    """Choose the best of those who have all skills that a job needs, and the least loaded of those who are as good."""

    def pick(job: FreeJob, able: Sequence[Annotator], _turn: int) -> tuple[Annotator, str]:
        one = min(able, key=lambda one: (-sum(one.levels[skill] for skill in job.skills), *_load(one)))
        needs = ", ".join(f"{skill} at level {one.levels[skill]}" for skill in sorted(job.skills))
        return one, f"by skill: {needs or 'none is needed'}, with {_open_images(one)}"

    return _choose(jobs, annotators, state, pick)


def pool(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState) -> list[Choice]:
    """Choose the annotator with the fewest unfinished jobs, and of these the one who has waited longest for one."""

    def pick(_job: FreeJob, able: Sequence[Annotator], _turn: int) -> tuple[Annotator, str]:
        one = min(able, key=lambda one: (one.open_jobs, *_waited(one), *_load(one)))
        limit = f" of {one.limit}" if one.limit is not None else ""
        return one, f"the next job of the pool: {one.open_jobs}{limit} open before"

    return _choose(jobs, annotators, state, pick)


def forecast(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState) -> list[Choice]:
    """Choose who completes a job first, with what they have, by the times learned of each; else by `least_loaded`.

    A job waits for somebody who cannot get it yet, but will complete it before those who can.
    """
    if any(one.pace is None for one in annotators):
        found = least_loaded(jobs, annotators, state)
        return [replace(one, reason=f"{_UNKNOWN}; {one.reason}") if one.annotator else one for one in found]
    planned = first_to_complete(jobs, annotators)
    left = Counter(planned.values())

    def pick(job: FreeJob, able: Sequence[Annotator], _turn: int) -> tuple[Annotator | None, str]:
        by_end = sorted(((_end(one, job), one.name, one) for one in able), key=lambda of: of[:2])
        while by_end and not left[by_end[0][1]]:
            del by_end[0]  # somebody else is expected to complete it before them
        if not by_end:
            return None, f"waits: {planned.get(job.id, 'somebody else')} is expected to complete it first"
        left[by_end[0][1]] -= 1
        return by_end[0][2], _why_first(by_end)

    return _choose(jobs, annotators, state, pick)


def first_to_complete(jobs: Sequence[FreeJob], annotators: Sequence[Annotator]) -> Mapping[int, str]:
    """Return who completes each job first, one job after the other, if limits did not count.

    Jobs after those that anybody can get now are left out.
    """
    now = {one.name: one for one in annotators}
    found = {}
    room = {one.name: _room(one, len(jobs)) for one in annotators}
    for job in sorted(jobs, key=_in_order):
        if not any(number > 0 for number in room.values()):
            break
        able = [one for one in now.values() if one.calendar is not None or not one.obstacle(job)]
        able = [one for one in able if one.name != job.left_by and job.skills <= one.levels.keys()]
        if able:
            one = min(able, key=lambda one: (_end(one, job), one.name))
            now[one.name], found[job.id] = one.with_job(job), one.name
            room[one.name] -= 1
    return found


def _room(one: Annotator, most: int) -> int:
    """Return how many jobs somebody can get now."""
    if one.unavailable:
        return 0
    return most if one.limit is None else one.limit - one.open_jobs


def _end(one: Annotator, job: FreeJob) -> datetime:
    """Return the mean of when the job may be completed: who has to take it home over the weekend, may well be late."""
    if one.calendar is None or one.pace is None:
        return _NEVER
    minutes = job.images * one.pace.minutes
    ends = [one.calendar.end(one.open_minutes + minutes * length) for length in _LENGTHS]
    return ends[0] + sum((end - ends[0] for end in ends), timedelta()) / len(ends)


def _why_first(by_end: Sequence[tuple[datetime, str, Annotator]]) -> str:
    end, name, one = by_end[0]
    assert one.pace is not None
    known = f"{one.pace.jobs} jobs" if one.pace.jobs else "others' jobs"
    pace = f"forecast: {one.pace.minutes:.2g} minutes an image, learned from {known}"
    if end == _NEVER:
        return f"{pace}, and nobody else can get it"
    other = f", before {by_end[1][1]}" if len(by_end) > 1 else ""
    return f"{pace}: {name} completes it first, about {end:%a %H:%M} UTC{other}"


ASSIGNMENT_POLICIES: Mapping[str, AssignmentPolicy] = {
    "round_robin": round_robin,
    "least_loaded": least_loaded,
    "by_skill": by_skill,
    "pool": pool,
    "forecast": forecast,
}
"""The policies by the name that a dataset file writes."""


@dataclass(frozen=True, slots=True)
class PersonRules:
    """What counts for a person: the most open jobs of the dataset (None: any number), when they work, their skills."""

    limit: int | None = None
    hours: WorkingHours | None = None
    levels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssignmentRules:
    """The section `assignment` of a dataset file; `people` are those with rules of their own."""

    policy: str = "round_robin"
    everybody: PersonRules = PersonRules()
    people: Mapping[str, PersonRules] = field(default_factory=dict)
    reassign_after: timedelta | None = None
    """For how long nobody may leave a job untouched; None: as long as they want."""

    def of(self, person: str) -> PersonRules:
        """Return what counts for a person."""
        return self.people.get(person, self.everybody)

    @property
    def skills(self) -> Collection[str]:
        """The skills that somebody has a level for."""
        return {skill for one in self.people.values() for skill in one.levels}


def unavailable(rules: PersonRules, now: datetime, away_until: datetime | None, *, is_away: bool) -> str:
    """Return why a person gets no job now; empty if nothing stands against it. `away_until` None: nobody knows."""
    if is_away:
        return f"is away until {away_until:%Y-%m-%d %H:%M} UTC" if away_until else "is away"
    if rules.hours is not None and not rules.hours.include(now):
        return "does not work at this time"
    return ""


def informed(
    annotators: Sequence[Annotator],
    dataset: str,
    rules: AssignmentRules,
    history: WorkHistory,
    open_images: Mapping[str, Mapping[str, float]],
    away: Mapping[str, datetime | None],
) -> Sequence[Annotator]:
    """Return annotators of a dataset with what the policy `forecast` needs.

    `open_images` are those of each person by dataset; of what is in review as many as will come back. `away` are those
    who are away, until when.
    """
    full = {one.name for one in annotators if one.limit is not None and one.open_jobs >= one.limit}
    hours = {one.name: rules.of(one.name).hours for one in annotators}
    calendars, learned = history.calendars(hours, away, full), history.learned
    return [
        replace(
            one,
            pace=learned.pace(one.name, dataset),
            open_minutes=learned.minutes_of(one.name, open_images.get(one.name, {}), dataset),
            calendar=calendars.get(one.name),
        )
        for one in annotators
    ]


def _choose(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState, pick: _Pick) -> list[Choice]:
    now = {one.name: one for one in annotators}
    found, assigned = [], state.jobs_assigned
    for job in sorted(jobs, key=_in_order):
        able = [one for one in now.values() if not one.obstacle(job)]
        if not able:
            why = "; ".join(f"{one.name} {one.obstacle(job)}" for one in now.values())
            found.append(Choice(job.id, None, f"waits: {why}"))
            continue
        one, reason = pick(job, able, assigned)
        if one is None:
            found.append(Choice(job.id, None, reason))
            continue
        now[one.name] = one.with_job(job)
        found.append(Choice(job.id, one.name, reason))
        assigned += 1
    return found


def _in_order(job: FreeJob) -> tuple[int, int, int]:
    return job.batch, job.start_frame, job.id


def _load(one: Annotator) -> tuple[int, int, str]:
    return one.open_images, one.open_jobs, one.name


def _waited(one: Annotator) -> tuple[bool, float]:
    return one.last_assigned is not None, one.last_assigned.timestamp() if one.last_assigned else 0.0


def _open_images(one: Annotator) -> str:
    return "1 open image" if one.open_images == 1 else f"{one.open_images} open images"
