"""What the ledger knows of each person's work beside their jobs: reviews of it, and annotations of whole batches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from labelyard.domain.review import ReviewResult
from labelyard.ledger.database import Transaction
from labelyard.ledger.review_tables import Review, ReviewVerdict
from labelyard.ledger.tables import Batch, Export, Job

Key = tuple[str, str]
"""A person and a dataset."""


@dataclass
class ReviewedWork:
    """What reviews, and the check before them, said about somebody's jobs."""

    first_rounds: int = 0
    accepted_at_once: int = 0
    """How many of the first rounds ended with the job accepted."""
    rounds: list[int] = field(default_factory=list)
    """In which round each accepted job was accepted."""


def reviewed_work(tx: Transaction, since: datetime, dataset: str | None) -> Mapping[Key, ReviewedWork]:
    """Return what was said `since` then about the jobs of each annotator, by dataset."""
    query = (
        select(ReviewVerdict.annotator, Batch.dataset, ReviewVerdict.round, ReviewVerdict.verdict)
        .join(Batch, Batch.id == ReviewVerdict.batch_id)
        .where(ReviewVerdict.at >= since, ReviewVerdict.annotator.is_not(None))
    )
    found: dict[Key, ReviewedWork] = defaultdict(ReviewedWork)
    for annotator, name, number, verdict in tx.execute(query.where(Batch.dataset == dataset) if dataset else query):
        one, is_accepted = found[annotator or "", name], verdict is ReviewResult.ACCEPTED
        one.first_rounds += number == 1
        one.accepted_at_once += number == 1 and is_accepted
        one.rounds += [number] if is_accepted else []
    return found


def annotations_of_whole_batches(
    tx: Transaction, since: datetime, dataset: str | None
) -> Mapping[Key, Mapping[str, int]]:
    """Return what was drawn by label in the batches exported `since` then that one person labelled alone."""
    query = (
        select(Export, Batch.dataset)
        .join(Batch, Batch.id == Export.batch_id)
        .where(Export.current, Export.exported_at >= since)
    )
    rows = tx.execute(query.where(Batch.dataset == dataset) if dataset else query)
    # Each format of a batch has the same account; a file that CVAT wrote has none.
    accounts = {export.batch_id: (name, export.account) for export, name in rows if export.account}
    people = _annotators(tx, since) if accounts else {}
    found: dict[Key, Counter[str]] = defaultdict(Counter)
    for batch, (name, account) in accounts.items():
        if len(people[batch]) == 1:
            [person] = people[batch]
            for labels in account["drawn"].values():
                found[person, name].update(labels)
    return found


def _annotators(tx: Transaction, since: datetime) -> Mapping[str, set[str]]:
    """Return who labelled the jobs of each batch exported `since` then; "" stands for nobody."""
    exported = select(Export.batch_id).where(Export.current, Export.exported_at >= since)
    query = (
        select(Job.batch_id, Job.assignee, Review.annotator)
        .outerjoin(Review, Review.job_id == Job.id)
        .where(Job.batch_id.in_(exported))
    )
    found: dict[str, set[str]] = defaultdict(set)
    for batch, assignee, annotator in tx.execute(query):
        found[batch].add(annotator or assignee or "")
    return found
