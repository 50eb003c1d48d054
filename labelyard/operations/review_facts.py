"""The reviews of a batch's jobs in words, for `labelyard why` and the page of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo

from labelyard.domain.job_faults import of_reasons
from labelyard.domain.reassignment import HOW_TO_DECIDE
from labelyard.domain.review import Phase, ReviewResult
from labelyard.escaping import printable
from labelyard.ledger import Transaction, reviews
from labelyard.ledger.review_progress import ReviewProgress
from labelyard.ledger.review_tables import Review, ReviewVerdict
from labelyard.operations.moments import moment_and_zone


def review_facts(tx: Transaction, batch: str) -> Iterator[str]:
    """Yield a line for each job that is or was reviewed: where it is, with whom, what was said about it."""
    said = verdicts_by_job(reviews.verdicts(tx, batch))
    for job, review in reviews.of_batch(tx, batch).items():
        if review.selected:
            verdicts = "".join(f"; {printable(verdict_words(one))}" for one in said.get(job, ()))
            next_step = f"\n  next: {HOW_TO_DECIDE}" if review.problem else ""
            yield f"job {job}: {printable(review_words(review))}{verdicts}{next_step}"


def progress_words(found: ReviewProgress, zone: tzinfo, named: Callable[[str], str] = printable) -> str:
    """Return how far the reviews of a batch are: "1 of 3 jobs accepted, 2 with rita since Mon 30 Nov 08:15 UTC".

    `named` writes a person's name.
    """
    people = ", ".join(f"{count} with {named(name)}" for name, count in found.reviewers.items())
    parts = [
        f"{found.accepted} of {found.chosen} jobs accepted",
        f"{people} since {moment_and_zone(found.since, zone)}" if found.since else "",
        f"{found.repaired} back with their annotators" if found.repaired else "",
        f"{found.undecided} need a person" if found.undecided else "",
    ]
    return ", ".join(filter(None, parts))


def verdicts_by_job(verdicts: Sequence[ReviewVerdict]) -> Mapping[int, Sequence[ReviewVerdict]]:
    """Return the verdicts about each job, oldest first."""
    found: dict[int, list[ReviewVerdict]] = {}
    for one in verdicts:
        found.setdefault(one.job, []).append(one)
    return found


def review_words(review: Review) -> str:
    """Return where a job is in its review: "in review, round 2, by rita; drawn by ada"."""
    by = f", by {review.reviewer}" if review.reviewer else ""
    drawn = f"; drawn by {review.annotator}" if review.annotator else ""
    if review.problem:
        return f"needs a person: {review.problem}"
    match review.phase:
        case Phase.ACCEPTED:
            return f"accepted in round {review.round}{by}{drawn}"
        case Phase.REVIEW:
            return f"in review, round {review.round}{by}{drawn}"
        case _:
            return f"in annotation, to be reviewed{drawn}"


def verdict_words(one: ReviewVerdict) -> str:
    """Return what was said in one round, with what the reviewer wrote: "rita rejected it in round 1: …"."""
    if one.verdict is ReviewResult.FAULTY:
        return f"the check sent it back in round {one.round}: {'; '.join(map(str, of_reasons(one.reasons)))}"
    verb = "accepted" if one.verdict is ReviewResult.ACCEPTED else "rejected"
    reasons = "; ".join(f"frame {issue['frame']}: {issue['message']}" for issue in one.reasons.get("issues", ()))
    return f"{one.reviewer or 'a person'} {verb} it in round {one.round}" + (f": {reasons}" if reasons else "")
