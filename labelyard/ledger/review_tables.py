"""The tables of reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from labelyard.domain.review import JobReview, Phase, ReviewResult
from labelyard.domain.tasks import JobStep
from labelyard.ledger.declarative import Table


class Review(Table):
    """The review of a job, and the step that labelyard sends to the server but has not seen there yet."""

    __tablename__ = "review"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    phase: Mapped[Phase]
    selected: Mapped[bool | None]
    """Whether the job is reviewed; None before it was completed for the first time."""
    annotator: Mapped[str | None]
    reviewer: Mapped[str | None]
    chosen_reviewer: Mapped[str | None]
    """The reviewer whom a person chose, of the dataset file or not."""
    round: Mapped[int]
    """How many reviews were begun."""
    earlier_rounds: Mapped[int]
    """How many of them do not count any more: a person decided after them."""
    problem: Mapped[str | None]
    """What a person has to decide."""
    since: Mapped[datetime]
    """Since when it has its phase or its problem."""
    step: Mapped[JobStep | None]
    """Committed before it is sent; None once the server has shown it, or a person has changed the job."""
    step_assignee: Mapped[str | None]
    """Who has the job after the step."""
    step_reason: Mapped[str | None]
    seen: Mapped[str | None]
    """How the server showed the job when the step was decided."""

    def to_domain(self) -> JobReview:
        """Return it as the decisions need it."""
        return JobReview(
            self.phase, self.selected, self.annotator, self.reviewer, self.round, self.earlier_rounds,
            self.problem or "", self.chosen_reviewer,
        )  # fmt: skip


class ReviewVerdict(Table):
    """What a reviewer said about a job, in one round. Rows are added, never changed."""

    __tablename__ = "review_verdict"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    job: Mapped[int]
    """The job's id in CVAT."""
    round: Mapped[int]
    verdict: Mapped[ReviewResult]
    annotator: Mapped[str | None]
    reviewer: Mapped[str | None]
    reasons: Mapped[dict[str, Any]]
    """`issues`: what the reviewer wrote in CVAT, each with its frame; `faults`: those that labelyard has found."""
    at: Mapped[datetime]

    __table_args__ = (Index("ix_review_verdict_batch_id", "batch_id"), Index("ix_review_verdict_at", "at"))
