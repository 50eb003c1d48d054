"""ASSIGNMENT_POLICIES: the ways to assign the jobs of a dataset to its annotators.

A policy is a pure function. To add one, write the function and add a line to the table; the dataset file names it as
`assignment: {policy: NAME}`. Whatever the policy, nobody gets a job over their limit, while they are away, or when they
do not work. A job that nobody may get now waits; the next look chooses again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

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


_Pick = Callable[[FreeJob, Sequence[Annotator], int], tuple[Annotator, str]]
"""Chooses among those who can get a job, with the reason; the number counts the jobs that were assigned before."""


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


ASSIGNMENT_POLICIES: Mapping[str, AssignmentPolicy] = {
    "round_robin": round_robin,
    "least_loaded": least_loaded,
    "by_skill": by_skill,
    "pool": pool,
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


def _choose(jobs: Sequence[FreeJob], annotators: Sequence[Annotator], state: PolicyState, pick: _Pick) -> list[Choice]:
    now = {one.name: one for one in annotators}
    found, assigned = [], state.jobs_assigned
    for job in sorted(jobs, key=lambda job: (job.batch, job.start_frame, job.id)):
        able = [one for one in now.values() if not one.obstacle(job)]
        if not able:
            why = "; ".join(f"{one.name} {one.obstacle(job)}" for one in now.values())
            found.append(Choice(job.id, None, f"waits: {why}"))
            continue
        one, reason = pick(job, able, assigned)
        now[one.name] = replace(one, open_jobs=one.open_jobs + 1, open_images=one.open_images + job.images)
        found.append(Choice(job.id, one.name, reason))
        assigned += 1
    return found


def _load(one: Annotator) -> tuple[int, int, str]:
    return one.open_images, one.open_jobs, one.name


def _waited(one: Annotator) -> tuple[bool, float]:
    return one.last_assigned is not None, one.last_assigned.timestamp() if one.last_assigned else 0.0


def _open_images(one: Annotator) -> str:
    return "1 open image" if one.open_images == 1 else f"{one.open_images} open images"
