"""Reviewers who are replaced: what they review, or will review once it is repaired, goes to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from labelyard.domain.reassignment import HOW_TO_DECIDE, Kept, nobody_else
from labelyard.domain.review import JobPlace, People, Phase, ReviewRules, choose_reviewer, place_of
from labelyard.domain.tasks import JobStatus, JobStep
from labelyard.ledger import reviews
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.review_tables import Review
from labelyard.ledger.reviews import PendingStep, Reviewing
from labelyard.ledger.tables import Job as JobRow


@dataclass
class Replaced:
    """The new reviewer of each job by its id, what is to be sent for that, and why other jobs stay."""

    reviewers: dict[int, str] = field(default_factory=dict)
    steps: list[PendingStep] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def reviewed_by(tx: Transaction, batch: str, person: str, rows: Sequence[JobRow]) -> Mapping[int, Review]:
    """Return the reviews that a person has to make, or will have to after a repair, by CVAT's id of the job.

    `rows` are the jobs of the batch. Those about which somebody has to decide are among them.
    """
    by_id, found = {row.server_id: row for row in rows}, {}
    for job, review in reviews.of_batch(tx, batch).items():
        row = by_id[job]
        if review.step is not None:
            is_theirs = review.step is JobStep.REVIEW and review.step_assignee == person
        elif review.phase is Phase.ANNOTATION:
            is_theirs = bool(review.selected) and review.reviewer == person
        else:
            is_theirs = row.assignee == person and row.status is not JobStatus.COMPLETED
        if is_theirs:
            found[job] = review
    return found


def replace_reviewer(
    tx: Transaction, about: Reviewing, person: str, to: str | None, rows: Sequence[JobRow]
) -> Replaced:
    """Choose other reviewers for the jobs of a person, `to` or by default those of the dataset file.

    Nobody reviews their own job. Commit it before the steps are sent.
    """
    found = Replaced()
    by_id = {row.server_id: row for row in rows}
    shown = {
        job.id: reviews.shown_job(about.batch, by_id[job.id], job, by_id[job.id].assignee)
        for job in about.jobs
        if job.id in by_id
    }
    candidates = [to] if to else [name for name in about.rules.reviewers if name != person]
    people = People(about.can_work, reviews.open_reviews(tx))
    for job, review in reviewed_by(tx, about.batch.id, person, rows).items():
        if review.phase is Phase.LEAD:
            what = f"job {job} stays with {person}: a person has to decide about it"
            found.kept.append(Kept(what, HOW_TO_DECIDE, is_decision=True))
            continue
        if review.phase is Phase.REVIEW and place_of(review.to_domain(), shown[job]) is not JobPlace.IN_REVIEW:
            found.kept.append(Kept(f"job {job} was reviewed a moment ago", "wait until labelyard has read that"))
            continue
        other = _other_reviewer(review, candidates, about.rules, people)
        if other is None:
            why = (
                f"{to} drew it"
                if to and to == review.annotator
                else f"nobody else can review a job of {review.annotator}"
            )
            found.kept.append(nobody_else(person, f"the review of job {job} stays with {person}: {why}"))
            continue
        found.reviewers[job] = other
        review.chosen_reviewer = other if to else None
        reason = f"to {other} for review, in place of {person}"
        record(tx, reviews.REVIEW, f"job {job}: {reason}", batch=about.batch)
        if review.step is None and review.phase is Phase.ANNOTATION:
            review.reviewer = other  # who gets it once it is repaired
            continue
        if review.step is None:
            review.step, review.seen = JobStep.REVIEW, reviews.seen(shown[job])
        review.step_assignee, review.step_reason = other, reason
        found.steps.append(PendingStep(job, JobStep.REVIEW, other))
    return found


def _other_reviewer(review: Review, candidates: Sequence[str], rules: ReviewRules, people: People) -> str | None:
    anybody = replace(review.to_domain(), reviewer=None, chosen_reviewer=None)
    return choose_reviewer(anybody, replace(rules, reviewers=tuple(candidates)), people)
