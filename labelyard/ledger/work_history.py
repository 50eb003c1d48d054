"""What the ledger knows of the work of people, for the policy `forecast` and for forecasts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from labelyard.domain.learned_work import Reviewed
from labelyard.domain.throughput import DoneJob
from labelyard.domain.work_history import DAYS_LEARNED, WorkHistory
from labelyard.ledger import workload
from labelyard.ledger.database import Transaction
from labelyard.ledger.people import reviewed_work
from labelyard.ledger.workload import JobRecord


def read(tx: Transaction) -> tuple[WorkHistory, Sequence[JobRecord]]:
    """Return the work of the last two weeks in all datasets, and the records that it comes from."""
    since = tx.now - timedelta(days=DAYS_LEARNED)
    records = workload.jobs(tx, since, None)
    return of_records(tx, records), records


def of_records(tx: Transaction, records: Sequence[JobRecord]) -> WorkHistory:
    """Return the work of the last two weeks; `records` are those of `workload.jobs`, of all datasets since then."""
    done: dict[str, list[DoneJob]] = defaultdict(list)
    held: dict[str, list[datetime]] = defaultdict(list)
    for one in records:
        if one.is_done and one.assignee:
            done[one.assignee].append(DoneJob(one.images, one.assigned_at, one.since, one.dataset))
        elif one.assignee and not one.in_review:
            held[one.assignee].append(one.assigned_at or one.since)
    reviews = {
        key: Reviewed(one.first_rounds, one.accepted_at_once)
        for key, one in reviewed_work(tx, tx.now - timedelta(days=DAYS_LEARNED), None).items()
    }
    return WorkHistory(tx.now, done, held, reviews)


def coming_back(history: WorkHistory, records: Sequence[JobRecord]) -> Mapping[str, Mapping[str, float]]:
    """Return how many images in review will come back to each person, by dataset, by what reviews accepted so far."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in records:
        pace = history.learned.pace(one.drawn_by, one.dataset) if one.in_review and one.drawn_by else None
        if pace is not None and one.drawn_by and not one.is_done:
            found[one.drawn_by][one.dataset] += one.images * (1 - pace.accepted)
    return found
