"""Review: what happens next with a job that somebody else than its annotator looks at. Pure decisions.

            completed                      state completed
  annotation ───────▶ review, by a reviewer ───────────────▶ accepted
      ▲        │             │ rejected
      └────────┴─────────────┤ to the same annotator, then to the same reviewer
       has faults            └──▶ lead, after `rounds` rejections: a person decides in CVAT

What a person changes by hand in CVAT wins: the decision follows what the server shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from labelyard.domain.job_faults import JobFault
from labelyard.domain.tasks import JobStatus, JobStep

BEFORE_REVIEW = (JobStep.RETURN, JobStep.LEAD)
"""The steps of a completed job that has faults; after the last rejection a job goes to the lead as well."""
MEASURED = 20
"""The acceptance rate of an annotator is that of so many jobs, the newest."""
MEASURED_FROM = 5
"""An annotator with fewer reviewed jobs has no acceptance rate yet."""


class Phase(StrEnum):
    """Who has to do something with a job; nobody if it is accepted."""

    ANNOTATION = "annotation"
    REVIEW = "review"
    LEAD = "lead"
    ACCEPTED = "accepted"


class ReviewResult(StrEnum):
    """What a reviewer said about a job; FAULTY is what labelyard says of one with faults, before a reviewer sees it."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAULTY = "faulty"


class JobPlace(StrEnum):
    """Where a job is, as its server shows it."""

    ANNOTATING = "in annotation"
    ANNOTATED = "annotated"
    IN_REVIEW = "in review"
    REJECTED = "rejected"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """The section `review` of a dataset file."""

    reviewers: tuple[str, ...]
    share: float = 1.0
    rounds: int = 3
    people: Mapping[str, float] = field(default_factory=dict)
    """The share of some annotators."""
    accepted_below: float | None = None
    """All jobs of an annotator are reviewed of whose jobs a smaller fraction was accepted in the first round."""
    check: bool = True
    """Whether a completed job with faults goes back before a reviewer sees it."""


@dataclass(frozen=True, slots=True)
class JobReview:
    """What labelyard knows of a job's review; `chosen_reviewer` is whom a person chose, of the dataset file or not."""

    phase: Phase = Phase.ANNOTATION
    selected: bool | None = None
    """Whether it is reviewed; None before it was completed for the first time."""
    annotator: str | None = None
    reviewer: str | None = None
    round: int = 0
    """How many reviews were begun."""
    earlier_rounds: int = 0
    """How many of them do not count any more: a person decided after them."""
    problem: str = ""
    """What a person has to decide."""
    chosen_reviewer: str | None = None


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job as its server shows it; `key` is the same in a task that replaces another one."""

    key: str
    status: JobStatus
    stage: str = ""
    """Empty on CVAT 1.x, as `state` is."""
    state: str = ""
    assignee: str | None = None
    manual: bool = False
    """Whether a person chose the assignee."""


@dataclass(frozen=True, slots=True)
class People:
    """Who can get jobs; how many reviews each reviewer has; of each annotator, how many jobs were accepted at once."""

    can_work: Collection[str]
    open_reviews: Mapping[str, int] = field(default_factory=dict)
    accepted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Jobs accepted in the first round, and jobs reviewed, of the newest MEASURED ones."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next with a job.

    `review` counts from now on, and `step` is sent to the server; `after_step` says what follows when it shows it.
    """

    review: JobReview
    reason: str = ""
    """One sentence; empty if nothing happens that a person wants to read."""
    step: JobStep | None = None
    assignee: str | None = None
    """Who has the job after the step."""
    verdict: ReviewResult | None = None


def decide(
    review: JobReview, shown: ShownJob, rules: ReviewRules, people: People, faults: Sequence[JobFault] = ()
) -> Decision:
    """Return what happens next with a job; `faults` are those of one that its annotator has completed. Pure."""
    match place_of(review, shown):
        case JobPlace.ANNOTATING:
            return _in_annotation(review, shown, people)
        case JobPlace.ANNOTATED:
            return _annotated(review, shown, rules, people, faults)
        case JobPlace.IN_REVIEW:
            return _in_review(review, shown, rules, people)
        case JobPlace.REJECTED:
            return _rejected(review, shown, rules, people)
        case JobPlace.ACCEPTED:
            return _accepted(review, shown)


def place_of(review: JobReview, shown: ShownJob) -> JobPlace:
    """Return where a job is. CVAT 1.x has no stages: there the review tells whose `completed` it is."""
    in_review = review.phase is not Phase.ANNOTATION
    if shown.stage:
        completed, rejected = shown.state == "completed", shown.state == "rejected"
        if shown.stage != "annotation":
            return JobPlace.ACCEPTED if completed else JobPlace.REJECTED if rejected else JobPlace.IN_REVIEW
        if completed:
            return JobPlace.ANNOTATED
        # Only the stage was set back: the reviewer still has the job, and has said no.
        is_back = review.phase is Phase.REVIEW and shown.assignee == review.reviewer
    elif shown.status is JobStatus.VALIDATION:
        return JobPlace.IN_REVIEW
    elif shown.status is JobStatus.COMPLETED:
        return JobPlace.ACCEPTED if in_review else JobPlace.ANNOTATED
    else:
        is_back = review.phase in (Phase.REVIEW, Phase.LEAD) and shown.assignee == review.reviewer
    return JobPlace.REJECTED if is_back else JobPlace.ANNOTATING


def is_applied(step: JobStep, assignee: str | None, shown: ShownJob) -> bool:
    """Return whether the server shows that a step was done, whatever people have done since."""
    if step in BEFORE_REVIEW and shown.status is JobStatus.COMPLETED:
        return False  # it began from a completed job, with the same assignee
    if not shown.stage:
        return shown.assignee == assignee
    if step is JobStep.ACCEPT:
        return shown.stage == "acceptance"
    in_review = step in (JobStep.REVIEW, JobStep.LEAD)
    return (shown.stage != "annotation") == in_review and shown.assignee == assignee


def after_step(review: JobReview, step: JobStep, assignee: str | None) -> JobReview:
    """Return the review of a job after the server has shown a step."""
    match step:
        case JobStep.REVIEW:
            begun = review.round + (review.phase is not Phase.REVIEW)
            return replace(review, phase=Phase.REVIEW, reviewer=assignee, round=begun)
        case JobStep.REPAIR:
            return replace(review, phase=Phase.ANNOTATION)
        case JobStep.RETURN:
            return replace(review, phase=Phase.ANNOTATION, round=review.round + 1)
        case JobStep.LEAD:
            begun = review.round + (review.phase is Phase.ANNOTATION)
            return replace(review, phase=Phase.LEAD, reviewer=assignee, round=begun)
        case JobStep.ACCEPT:
            return replace(review, phase=Phase.ACCEPTED)


def is_finished(review: JobReview | None, status: JobStatus) -> bool:
    """Return whether a job may be exported: it is accepted, or completed and not selected for a review."""
    if review is None or review.selected is False:
        return status is JobStatus.COMPLETED
    return status is JobStatus.COMPLETED and review.phase is Phase.ACCEPTED


# --- places -----------------------------------------------------------------------------------------------------------


def _in_annotation(review: JobReview, shown: ShownJob, people: People) -> Decision:
    if review.phase is Phase.ANNOTATION:
        return Decision(replace(review, annotator=shown.assignee or review.annotator, problem=""))
    back = _decided_manually(review)
    if shown.assignee == review.reviewer != review.annotator and review.annotator in people.can_work:
        reason = f"a person set it back to annotation: to {review.annotator}, who drew it"
        return Decision(back, reason, JobStep.REPAIR, review.annotator)
    back = replace(back, phase=Phase.ANNOTATION, annotator=shown.assignee or review.annotator)
    return Decision(back, f"a person gave it to {shown.assignee or 'nobody'} for annotation")


def _annotated(
    review: JobReview, shown: ShownJob, rules: ReviewRules, people: People, faults: Sequence[JobFault]
) -> Decision:
    reasons = []
    if review.phase is not Phase.ANNOTATION:
        review = replace(_decided_manually(review), phase=Phase.ANNOTATION)
        reasons.append("a person set it back to annotation")
    review = replace(review, annotator=shown.assignee or review.annotator)
    if faults:
        return _faulty(review, reasons, rules, people, faults)
    if review.selected is None:
        selected, why = _select(shown.key, review.annotator, rules, people)
        review = replace(review, selected=selected)
        reasons.append(f"{'reviewed' if selected else 'not reviewed'}: {why}")
    if not review.selected:
        return Decision(review, "; ".join(reasons))
    return _to_review(review, reasons, rules, people)


def _faulty(
    review: JobReview, reasons: list[str], rules: ReviewRules, people: People, faults: Sequence[JobFault]
) -> Decision:
    """Send a completed job back before anybody reviews it; that is a round, and it is reviewed later in any case."""
    review = replace(review, selected=True, problem="")
    begun = review.round - review.earlier_rounds + 1
    found = f"{faults[0]}{f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''}"
    reasons = [*reasons, f"faulty in round {begun} of {rules.rounds}: {found}"]
    if begun < rules.rounds and review.annotator in people.can_work:
        reasons.append(f"back to {review.annotator}")
        return Decision(review, "; ".join(reasons), JobStep.RETURN, review.annotator, ReviewResult.FAULTY)
    cannot = "" if begun >= rules.rounds else ", who can get no job"
    problem = f"faulty in round {begun}, drawn by {review.annotator or 'nobody'}{cannot}: {found}"
    reason = "; ".join([*reasons, "a person has to decide"])
    return Decision(replace(review, problem=problem), reason, JobStep.LEAD, None, ReviewResult.FAULTY)


def _in_review(review: JobReview, shown: ShownJob, rules: ReviewRules, people: People) -> Decision:
    if review.phase is not Phase.REVIEW:
        return _reviewed_manually(review, shown, rules, people)
    if shown.assignee != review.reviewer:
        reason = f"a person gave it to {shown.assignee or 'nobody'} for review"
        return Decision(replace(review, reviewer=shown.assignee, chosen_reviewer=shown.assignee), reason)
    if not shown.manual and shown.assignee not in (*rules.reviewers, review.chosen_reviewer):
        return _to_review(review, [f"{shown.assignee} is no reviewer any more"], rules, people)
    return Decision(review)


def _reviewed_manually(review: JobReview, shown: ShownJob, rules: ReviewRules, people: People) -> Decision:
    """A person moved the job to the review, and perhaps gave it to somebody."""
    again = review if review.phase is Phase.ANNOTATION else _decided_manually(review)
    again = replace(again, selected=True, problem="")
    if shown.assignee in (None, review.annotator):
        return _to_review(again, ["a person moved it to the review"], rules, people)
    by = shown.assignee
    again = replace(again, phase=Phase.REVIEW, reviewer=by, chosen_reviewer=by, round=again.round + 1)
    return Decision(again, f"a person gave it to {shown.assignee} for review")


def _to_review(review: JobReview, reasons: list[str], rules: ReviewRules, people: People) -> Decision:
    reviewer = choose_reviewer(review, rules, people)
    if reviewer is None:
        problem = f"none of the reviewers {', '.join(rules.reviewers)} can review a job of {review.annotator}"
        reason = "" if review.problem == problem else "; ".join([*reasons, problem])
        return Decision(replace(review, problem=problem), reason)
    begun = review.round - review.earlier_rounds + (review.phase is not Phase.REVIEW)
    reasons = [*reasons, f"to {reviewer} for review, round {begun} of {rules.rounds}"]
    return Decision(replace(review, problem=""), "; ".join(reasons), JobStep.REVIEW, reviewer)


def _rejected(review: JobReview, shown: ShownJob, rules: ReviewRules, people: People) -> Decision:
    if review.phase is Phase.LEAD:
        return Decision(review)
    if review.phase is not Phase.REVIEW:  # a review that labelyard did not begin
        again = review if review.phase is Phase.ANNOTATION else _decided_manually(review)
        review = replace(again, round=again.round + 1)
    reviewer = shown.assignee if shown.assignee != review.annotator else review.reviewer
    review = replace(review, phase=Phase.REVIEW, selected=True, reviewer=reviewer, problem="")
    begun = review.round - review.earlier_rounds
    said = f"{reviewer or 'a person'} rejected it in round {begun} of {rules.rounds}"
    problem = ""
    if begun >= rules.rounds:
        problem = f"rejected in the last round, {begun}, by {reviewer or 'a person'}; drawn by {review.annotator}"
    elif review.annotator is None or review.annotator not in people.can_work:
        problem = f"rejected, and {review.annotator or 'nobody'}, who drew it, can get no job"
    if problem:
        review, said = replace(review, problem=problem), f"{said}: a person has to decide"
        if shown.stage == "annotation":  # there the next look would say that a person set it back after that
            keeps_it = shown.assignee if shown.assignee in people.can_work else None
            return Decision(review, said, JobStep.LEAD, keeps_it, ReviewResult.REJECTED)
        return Decision(replace(review, phase=Phase.LEAD), said, verdict=ReviewResult.REJECTED)
    said = f"{said}: back to {review.annotator}"
    return Decision(review, said, JobStep.REPAIR, review.annotator, ReviewResult.REJECTED)


def _accepted(review: JobReview, shown: ShownJob) -> Decision:
    if review.phase is Phase.ACCEPTED:
        return Decision(review)
    by = shown.assignee if shown.assignee != review.annotator else review.reviewer
    review = replace(review, selected=True, reviewer=by, problem="")
    reason = f"{by or 'a person'} accepted it" + (f" in round {review.round}" if review.round else "")
    if shown.stage in ("", "acceptance"):
        return Decision(replace(review, phase=Phase.ACCEPTED), reason, verdict=ReviewResult.ACCEPTED)
    return Decision(review, reason, JobStep.ACCEPT, shown.assignee, ReviewResult.ACCEPTED)


def _decided_manually(review: JobReview) -> JobReview:
    """Count the rounds from now on, if the review had come to its end before a person changed the job."""
    if review.phase in (Phase.LEAD, Phase.ACCEPTED):
        return replace(review, earlier_rounds=review.round, problem="")
    return replace(review, problem="")


# --- choices ----------------------------------------------------------------------------------------------------------


def _select(key: str, annotator: str | None, rules: ReviewRules, people: People) -> tuple[bool, str]:
    """Return whether a job is reviewed, and why: a hash of its key decides, so that nobody can know before."""
    share, whose = rules.share, "all jobs"
    accepted, measured = people.accepted.get(annotator or "", (0, 0))
    if annotator is not None and annotator in rules.people:
        share, whose = rules.people[annotator], f"the jobs of {annotator}"
    elif rules.accepted_below is not None and measured >= MEASURED_FROM and accepted / measured < rules.accepted_below:
        return True, f"only {accepted} of the last {measured} jobs of {annotator} were accepted in the first round"
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return number < share, f"{share:.0%} of {whose} are"


def choose_reviewer(review: JobReview, rules: ReviewRules, people: People) -> str | None:
    """Return the reviewer of before, or the one with the fewest open reviews; never the annotator. None: nobody can."""
    can = {*people.can_work} - {review.annotator}
    if review.reviewer in can and review.reviewer in (*rules.reviewers, review.chosen_reviewer):
        return review.reviewer
    able = [name for name in rules.reviewers if name in can]
    return min(able, key=lambda name: (people.open_reviews.get(name, 0), rules.reviewers.index(name)), default=None)
