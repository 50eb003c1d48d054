"""What became of the reviews of a demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labelyard.domain.review import Phase, ReviewResult
from labelyard.ledger import Ledger, reviews


@dataclass(frozen=True)
class ReviewedJob:
    """A job that was reviewed: CVAT's id, its people, and how often it was rejected before it was accepted."""

    batch: str
    job: int
    annotator: str | None
    reviewer: str | None
    rejected: int
    is_accepted: bool


def reviewed_jobs(ledger: Ledger, batch_ids: Sequence[str]) -> list[ReviewedJob]:
    """Return the reviewed jobs of batches."""
    found = []
    with ledger.read_only() as tx:
        for batch in batch_ids:
            rejected = [one.job for one in reviews.verdicts(tx, batch) if one.verdict is ReviewResult.REJECTED]
            for job, review in reviews.of_batch(tx, batch).items():
                if review.selected:
                    is_accepted = review.phase is Phase.ACCEPTED
                    people = review.annotator, review.reviewer
                    found.append(ReviewedJob(batch, job, *people, rejected.count(job), is_accepted))
    return found


def review_problems(found: Sequence[ReviewedJob]) -> Iterator[str]:
    """Yield every deviation from what the demo promises: a job is rejected and repaired, and each one is accepted."""
    if not any(one.rejected for one in found):
        yield "no job was rejected by its reviewer"
    for one in found:
        if not one.is_accepted:
            yield f"job {one.job} is exported, and its reviewer has not accepted it"
        if one.reviewer in (None, one.annotator):
            yield f"job {one.job} was reviewed by {one.reviewer or 'nobody'}, its annotator is {one.annotator}"
