"""How far the reviews of batches are: a batch whose jobs are all labelled has the state assigned until then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from labelyard.domain.review import Phase
from labelyard.domain.states import BatchState
from labelyard.ledger.database import Transaction
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Job


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How many jobs of a batch are chosen for a review so far, and where these are."""

    chosen: int
    accepted: int
    reviewers: Mapping[str, int]
    """How many each reviewer has to look at."""
    since: datetime | None
    """Since when a reviewer has the oldest of these."""
    repaired: int
    """How many are with their annotators."""
    undecided: int
    """How many need a person."""


def reviews_in_progress(
    tx: Transaction, *, dataset: str | None = None, batch: str | None = None
) -> Mapping[str, ReviewProgress]:
    """Return how far each batch is that people work on and of which a job is reviewed, by the batch's id."""
    query = (
        select(Job.batch_id, Review)
        .join(Review, Review.job_id == Job.id)
        .join(Batch, Batch.id == Job.batch_id)
        .where(Batch.state == BatchState.ASSIGNED, Review.selected.is_(True))
        .order_by(Job.batch_id)
    )
    query = query.where(Batch.dataset == dataset) if dataset else query
    query = query.where(Batch.id == batch) if batch else query
    found: dict[str, list[Review]] = {}
    for of_batch, review in tx.execute(query):
        found.setdefault(of_batch, []).append(review)
    return {of_batch: _progress(those) for of_batch, those in found.items()}


def _progress(those: list[Review]) -> ReviewProgress:
    with_reviewers = [one for one in those if one.phase is Phase.REVIEW and not one.problem]
    undecided = sum(one.problem is not None or one.phase is Phase.LEAD for one in those)
    accepted = sum(one.phase is Phase.ACCEPTED for one in those)
    return ReviewProgress(
        len(those), accepted, dict(Counter(one.reviewer or "nobody" for one in with_reviewers)),
        min((one.since for one in with_reviewers), default=None),
        len(those) - accepted - undecided - len(with_reviewers), undecided,
    )  # fmt: skip
