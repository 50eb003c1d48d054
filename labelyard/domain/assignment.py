"""Who labels which job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelyard.domain.tasks import Job


@dataclass(frozen=True)
class Choice:
    """A person for a job, and why."""

    job_id: int
    annotator: str
    reason: str


def round_robin(jobs: Sequence[Job], annotators: Sequence[str], turn: int) -> list[Choice]:
    """A choice for each job, by first frame; `turn` is how many jobs were handed out before this batch."""
    ordered = sorted(jobs, key=lambda job: (job.start_frame, job.id))
    return [
        Choice(
            job.id, annotators[(turn + i) % len(annotators)], f"round robin, turn {turn + i + 1} over {len(annotators)}"
        )
        for i, job in enumerate(ordered)
    ]
