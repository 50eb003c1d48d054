"""The section `review` of a dataset file."""

from __future__ import annotations

from pydantic import Field, field_validator

from labelyard.config.fields import Count, Fraction, Person, Section, reject
from labelyard.config.labels import duplicates
from labelyard.domain.review import ReviewRules


class ReviewSection(Section):
    """Review: a completed job goes to somebody else than its annotator. Only accepted work is exported."""

    reviewers: tuple[Person, ...] = Field(min_length=1)
    """CVAT user names. A job goes to the one with the fewest open reviews, never to its annotator."""
    share: Fraction = 1.0
    """The fraction of the jobs that is reviewed. A hash chooses the jobs, when they are completed."""
    people: dict[Person, Fraction] = Field(default_factory=dict)
    """The fraction for some annotators, by their user names, such as `{newcomer: 1, expert: 0.05}`."""
    accepted_below: Fraction | None = None
    """Review every job of an annotator of whose last 20 reviewed jobs a smaller fraction than this was accepted in the
    first round; it counts from the fifth job on, and not for `people`. null: never."""
    rounds: Count = Field(default=3, ge=1, le=100)
    """How often a job is reviewed at most. What is rejected then needs a person, who decides in CVAT."""
    check: bool = True
    """Whether each job is checked when it is completed. One with faults that its annotator can repair goes back before
    a reviewer sees it, and that counts as a round (docs/review.md)."""

    @field_validator("reviewers")
    @classmethod
    def _no_duplicates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        reject(duplicates(value))
        return value

    def rules(self) -> ReviewRules:
        """Return them as the decisions need them."""
        return ReviewRules(self.reviewers, self.share, self.rounds, self.people, self.accepted_below, self.check)
