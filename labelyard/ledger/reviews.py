"""The reviews of jobs: what was decided, what is being sent to the server, and what reviewers said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from labelyard.domain.job_faults import JobFault, as_reasons, listed
from labelyard.domain.review import (
    BEFORE_REVIEW,
    MEASURED,
    Decision,
    JobPlace,
    JobReview,
    People,
    Phase,
    ReviewResult,
    ReviewRules,
    ShownJob,
    after_step,
    decide,
    is_applied,
    is_finished,
    place_of,
)
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobStatus, JobStep
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.review_tables import Review, ReviewVerdict
from labelyard.ledger.tables import Batch
from labelyard.ledger.tables import Job as JobRow

REVIEW = "review"
"""The history's word for what happened in a review."""


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step that is committed and not seen on the server yet, of a job with CVAT's id."""

    job_id: int
    step: JobStep
    assignee: str | None
    faults: Sequence[JobFault] = ()
    """Why the job goes back, if no reviewer said so."""


@dataclass
class Reviewing:
    """The jobs of a batch as the server shows them, and the rules of its dataset; `can_work` may get jobs."""

    batch: Batch
    jobs: Sequence[Job]
    usernames: Mapping[int, str]
    rules: ReviewRules
    can_work: Collection[str]
    issues: Mapping[int, Sequence[tuple[int, str]]] = field(default_factory=dict)
    """Frame and message of each unresolved issue of rejected jobs, by job."""
    faults: Mapping[int, tuple[JobFault, ...]] = field(default_factory=dict)
    """The faults of completed jobs that nobody has reviewed yet, by job; empty for one without any."""


def of_batch(tx: Transaction, batch: str) -> Mapping[int, Review]:
    """Return the reviews of a batch's jobs by CVAT's id of the job."""
    query = select(JobRow.server_id, Review).join(Review, Review.job_id == JobRow.id).where(JobRow.batch_id == batch)
    return {row.server_id: row.Review for row in tx.execute(query)}


def verdicts(tx: Transaction, batch: str) -> Sequence[ReviewVerdict]:
    """Return what reviewers said about the jobs of a batch, oldest first."""
    return tx.scalars(select(ReviewVerdict).where(ReviewVerdict.batch_id == batch).order_by(ReviewVerdict.id)).all()


def jobs_in_review(tx: Transaction, batch: str) -> set[int]:
    """Return CVAT's ids of the jobs that no annotator gets: they are reviewed, accepted, or wait for that."""
    return {
        job
        for job, review in of_batch(tx, batch).items()
        if review.phase is not Phase.ANNOTATION or review.step is not None or review.problem
    }


def shown_job(batch: Batch, row: JobRow, job: Job, assignee: str | None) -> ShownJob:
    """Return a job as the server shows it, as the decisions need it."""
    return ShownJob(f"{batch.id}/{row.start_frame}", job.status, job.stage, job.state, assignee, row.manual)


def exclude_completed(tx: Transaction, batch: str) -> None:
    """Let nobody review the jobs of a batch that are completed and have no review: this was decided before."""
    known = of_batch(tx, batch)
    done = select(JobRow).where(JobRow.batch_id == batch, JobRow.status == JobStatus.COMPLETED)
    for row in tx.scalars(done):
        if row.server_id not in known:
            tx.add(_new_review(tx, row, selected=False))


def settle(tx: Transaction, batch: Batch, row: JobRow, review: Review, shown: ShownJob) -> None:
    """End the step of a job that the server shows as done, or that a person's change has made obsolete."""
    if review.step is None:
        return
    if is_applied(review.step, review.step_assignee, shown):
        # So that the new assignee does not count as a person's choice.
        row.chosen_assignee, row.choice_reason = review.step_assignee, review.step_reason
        _store(tx, review, after_step(review.to_domain(), review.step, review.step_assignee))
    elif seen(shown) == review.seen:
        return  # not sent yet, or not received
    else:
        reason = f"job {row.server_id}: a person has changed it, so this was not done: {review.step_reason}"
        record(tx, REVIEW, reason, batch=batch)
    review.step = review.step_assignee = review.step_reason = review.seen = None


def is_due(tx: Transaction, about: Reviewing) -> bool:
    """Return whether anything is to be decided or sent."""
    return any(
        review.step is not None or decision.step is not None or decision.review != review.to_domain()
        for _, review, _, decision in _decided(tx, about)
    )


def give_up_steps(tx: Transaction, about: Reviewing) -> None:
    """Give up the steps to people who can get no job any more: the next decision finds others."""
    for job, review in of_batch(tx, about.batch.id).items():
        # Who has accepted a job keeps it, though they may get no other.
        able = about.usernames.values() if review.step is JobStep.ACCEPT else about.can_work
        if review.step is not None and review.step_assignee is not None and review.step_assignee not in able:
            reason = f"job {job}: {review.step_assignee} can get no job, so this was not done: {review.step_reason}"
            record(tx, REVIEW, reason, batch=about.batch)
            review.step = review.step_assignee = review.step_reason = review.seen = None


def rejected(tx: Transaction, about: Reviewing) -> Sequence[int]:
    """Return CVAT's ids of the jobs that somebody has rejected and labelyard has not sent back yet."""
    return [
        row.server_id
        for row, review, shown, _ in _decided(tx, about)
        if review.step is None and place_of(review.to_domain(), shown) is JobPlace.REJECTED
    ]


def to_check(tx: Transaction, about: Reviewing) -> Sequence[int]:
    """Return CVAT's ids of the jobs in which faults are looked for: their annotators have completed them.

    A step that was not sent yet is about the faults that there are now, also if the rules ask for no check any more.
    """
    return [
        row.server_id
        for row, review, shown, _ in _decided(tx, about)
        if review.selected is not False
        and (review.step in BEFORE_REVIEW or (review.step is None and about.rules.check))
        and place_of(review.to_domain(), shown) is JobPlace.ANNOTATED
    ]


def decide_all(tx: Transaction, about: Reviewing) -> Sequence[PendingStep]:
    """Store what happens next with these jobs, and return what is to be sent. Call `jobs.update_from_server` before."""
    for row, review, shown, decision in _decided(tx, about, open_reviews(tx)):
        if review.step in BEFORE_REVIEW and about.faults.get(row.server_id) == ():
            record(tx, REVIEW, f"job {row.server_id}: its faults are repaired meanwhile", batch=about.batch)
            review.step = review.step_assignee = review.step_reason = review.seen = None
        if review.step is None:
            tx.add(review)
            _carry_out(tx, about, row, review, shown, decision)
    tx.flush()
    known = of_batch(tx, about.batch.id)
    return [
        PendingStep(job.id, one.step, one.step_assignee, listed(about.faults.get(job.id, ())))
        for job in about.jobs
        if (one := known.get(job.id)) is not None and one.step is not None
    ]


def unfinished(tx: Transaction, about: Reviewing) -> set[int]:
    """Return CVAT's ids of the jobs that must not be exported yet; what was accepted a moment ago is stored first.

    A batch that people have no longer was completed before its jobs were selected: there only `completed` counts.
    """
    with_people = about.batch.state is BatchState.ASSIGNED
    found = set()
    for row, review, shown, decision in _decided(tx, about):
        known = None if review.selected is None and not with_people else decision.review
        is_stored = decision.review == review.to_domain() or not with_people
        waits = known is not None and not (decision.step is None and review.step is None and is_stored)
        if waits or not is_finished(known, shown.status):
            found.add(row.server_id)
    return found


def _decided(
    tx: Transaction, about: Reviewing, open_reviews: Counter[str] | None = None
) -> Iterator[tuple[JobRow, Review, ShownJob, Decision]]:
    """Yield each job, its review (a new one is not stored), how it is shown, and what happens next with it.

    `open_reviews` decide between reviewers; whether there is anything to do does not depend on them.
    """
    rows = {row.server_id: row for row in tx.scalars(select(JobRow).where(JobRow.batch_id == about.batch.id))}
    known, open_reviews = of_batch(tx, about.batch.id), Counter() if open_reviews is None else open_reviews
    people = People(about.can_work, open_reviews, _accepted_at_once(tx, about))
    for job in about.jobs:
        row = rows.get(job.id)
        if row is None:
            continue
        review = known.get(job.id) or _new_review(tx, row)
        assignee = None if job.assignee is None else about.usernames.get(job.assignee, f"user {job.assignee}")
        shown = shown_job(about.batch, row, job, assignee)
        decision = decide(review.to_domain(), shown, about.rules, people, about.faults.get(job.id, ()))
        if decision.step is JobStep.REVIEW and decision.assignee:
            open_reviews[decision.assignee] += 1
        yield row, review, shown, decision


def _new_review(tx: Transaction, row: JobRow, *, selected: bool | None = None) -> Review:
    return Review(
        job_id=row.id, phase=Phase.ANNOTATION, selected=selected, annotator=None, reviewer=None, round=0,
        earlier_rounds=0, problem=None, since=tx.now, step=None,
    )  # fmt: skip


def _carry_out(
    tx: Transaction, about: Reviewing, row: JobRow, review: Review, shown: ShownJob, decision: Decision
) -> None:
    _store(tx, review, decision.review)
    if decision.step is not None:
        review.step, review.step_assignee = decision.step, decision.assignee
        review.step_reason, review.seen = decision.reason, seen(shown)
    if decision.verdict is not None:
        _add_verdict(tx, about, row, decision)
    if decision.reason:
        record(tx, REVIEW, f"job {row.server_id}: {decision.reason}", batch=about.batch)


def _store(tx: Transaction, review: Review, new: JobReview) -> None:
    if (review.phase, review.problem or "") != (new.phase, new.problem):
        review.since = tx.now
    review.phase, review.selected, review.problem = new.phase, new.selected, new.problem or None
    review.annotator, review.reviewer, review.chosen_reviewer = new.annotator, new.reviewer, new.chosen_reviewer
    review.round, review.earlier_rounds = new.round, new.earlier_rounds


def _add_verdict(tx: Transaction, about: Reviewing, row: JobRow, decision: Decision) -> None:
    """Add a verdict, unless it is known: its step was given up because a person changed the job meanwhile."""
    assert decision.verdict is not None, "called for verdicts alone"
    last = tx.scalars(
        select(ReviewVerdict)
        .where(ReviewVerdict.batch_id == about.batch.id, ReviewVerdict.job == row.server_id)
        .order_by(ReviewVerdict.id.desc())
    ).first()
    is_faulty, begun = decision.verdict is ReviewResult.FAULTY, decision.review.round
    if is_faulty:
        begun, reasons = begun + 1, as_reasons(about.faults[row.server_id])  # the step begins the round
    else:
        issues = [{"frame": frame, "message": message} for frame, message in about.issues.get(row.server_id, ())]
        reasons = {"issues": issues} if issues else {}
    if (
        last is None
        or (last.round, last.verdict) != (begun, decision.verdict)
        or (is_faulty and last.reasons != reasons)
    ):
        tx.add(
            ReviewVerdict(
                batch_id=about.batch.id, job=row.server_id, round=begun, verdict=decision.verdict,
                annotator=decision.review.annotator, reviewer=None if is_faulty else decision.review.reviewer,
                reasons=reasons, at=tx.now,
            )
        )  # fmt: skip


def seen(shown: ShownJob) -> str:
    """Return in words how the server shows a job: what a step began from."""
    where = f"{shown.stage}, {shown.state}" if shown.stage else shown.status.value
    return f"{where}, {shown.assignee or 'nobody'}"


def open_reviews(tx: Transaction) -> Counter[str]:
    """Return how many reviews each reviewer has, or is about to get."""
    found: Counter[str] = Counter()
    for person, those in (
        (Review.reviewer, Review.phase == Phase.REVIEW),
        (Review.step_assignee, Review.step == JobStep.REVIEW),
    ):
        query = select(person, func.count()).join(JobRow, JobRow.id == Review.job_id)
        query = query.join(Batch, Batch.id == JobRow.batch_id).where(Batch.state == BatchState.ASSIGNED)
        of_open_jobs = query.where(those, JobRow.status != JobStatus.COMPLETED).group_by(person)
        found.update({name: count for name, count in tx.execute(of_open_jobs) if name is not None})
    return found


def _accepted_at_once(tx: Transaction, about: Reviewing) -> Mapping[str, tuple[int, int]]:
    """Return, for each annotator of the jobs, how many of the last ones were accepted in the first round."""
    if about.rules.accepted_below is None:
        return {}
    found = {}
    for name in {about.usernames.get(job.assignee or 0, "") for job in about.jobs} - {""}:
        query = (
            select(ReviewVerdict.verdict)
            .join(Batch, Batch.id == ReviewVerdict.batch_id)
            .where(Batch.dataset == about.batch.dataset, ReviewVerdict.annotator == name, ReviewVerdict.round == 1)
            .order_by(ReviewVerdict.id.desc())
            .limit(MEASURED)
        )
        said = tx.scalars(query).all()
        found[name] = (sum(one is ReviewResult.ACCEPTED for one in said), len(said))
    return found
