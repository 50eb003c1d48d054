"""Who labelled and who reviewed the jobs of an exported task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelyard.domain.review import Phase
from labelyard.ledger import reviews
from labelyard.ledger.review_tables import Review
from labelyard.pipeline.acquire_batch import BatchLease


def with_reviews(lease: BatchLease, jobs: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the jobs of a file, accepted ones with annotator and reviewer: in CVAT they are still the reviewer's.

    People are named by their ids in CVAT.
    """
    with lease.ledger.read_only() as tx:
        known = {job: one for job, one in reviews.of_batch(tx, lease.batch_id).items() if one.phase is Phase.ACCEPTED}
    if not known:
        return tuple(jobs)
    ids = {user.username: user.id for user in lease.cvat.users()}
    return tuple({**job, **dict(_people(known[job["id"]], ids))} if job["id"] in known else job for job in jobs)


def _people(review: Review, ids: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for field, name in (("assignee", review.annotator), ("reviewer", review.reviewer)):
        if name is not None and name in ids:
            yield field, ids[name]
    yield "rounds", max(review.round, 1)
