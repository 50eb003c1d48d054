"""ASSIGNMENT_POLICIES: the ways to assign the jobs of a task to the dataset's annotators.

A policy is a pure function. To add one, write the function and add a line to the table; the dataset file names it as
`assignment: {policy: NAME}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from labelyard.domain.tasks import Job


@dataclass(frozen=True)
class Choice:
    """The annotator chosen for a job, and the reason."""

    job_id: int
    annotator: str
    reason: str


@dataclass(frozen=True)
class PolicyState:
    """What the ledger remembers for a policy; `jobs_assigned` counts the jobs of the dataset's earlier choices."""

    jobs_assigned: int = 0


class AssignmentPolicy(Protocol):
    """A policy returns one choice for each job. It depends on its arguments alone; `annotators` is never empty."""

    def __call__(self, jobs: Sequence[Job], annotators: Sequence[str], state: PolicyState) -> list[Choice]: ...  # noqa: D102


def round_robin(jobs: Sequence[Job], annotators: Sequence[str], state: PolicyState) -> list[Choice]:
    """Choose the annotators in turn, by the jobs' first frames, and continue where the last batch stopped."""
    ordered = sorted(jobs, key=lambda job: (job.start_frame, job.id))
    count = len(annotators)
    return [
        Choice(job.id, annotators[turn % count], f"round robin, turn {turn + 1} over {count}")
        for turn, job in enumerate(ordered, start=state.jobs_assigned)
    ]


ASSIGNMENT_POLICIES: Mapping[str, AssignmentPolicy] = {"round_robin": round_robin}
"""The policies by the name that a dataset file writes."""
