"""What the figures of the operations page are counted from: arrivals, unfinished batches, jobs, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from labelyard.domain.review import Phase, ReviewResult
from labelyard.domain.states import INGESTING, BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.domain.throughput import DoneJob
from labelyard.ledger import messages
from labelyard.ledger.alert_tables import Problem
from labelyard.ledger.database import Transaction
from labelyard.ledger.measures import UNFINISHED
from labelyard.ledger.review_tables import Review, ReviewVerdict
from labelyard.ledger.server_tables import Outage
from labelyard.ledger.tables import (
    Batch,
    DeadLetter,
    History,
    Job,
    LedgerIdentity,
    Object,
)

_LIVE = (BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED, BatchState.ARCHIVED)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not exported yet: batches, their usable objects, and when the oldest batch was opened."""

    batches: int
    objects: int
    oldest_at: datetime | None
    states: Mapping[str, int]
    """How many batches are in each state, finished ones too."""
    datasets: Mapping[str, int]
    """The objects by dataset; those without any are left out."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many objects of batches were registered in a time, and how many of them are quarantined now."""

    objects: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class NewestBatch:
    """A batch in a list: its id, its state, and how many objects are in its task, or will be."""

    id: str
    state: str
    objects: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job that is unfinished or was completed lately."""

    batch: str
    assignee: str | None
    images: int
    is_done: bool
    since: datetime
    """Since when it has its status."""
    assigned_at: datetime | None
    returned: int
    in_review: bool = False
    """Whether the assignee reviews it."""
    dataset: str = ""
    drawn_by: str | None = None
    """Who drew what is in review."""
    batch_number: int = 0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What reviewers said about the jobs of an annotator, and how often the check sent one back."""

    annotator: str
    accepted: int
    rejected: int
    faulty: int = 0


def arrivals(tx: Transaction, edges: Sequence[datetime], dataset: str | None) -> Sequence[int]:
    """Return how many objects of batches were registered between each two `edges`, the later one not included."""
    # A count for each range reads only the index; one query with a condition for each range takes ten times as long.
    query = select(func.count()).select_from(Object).where(Object.batch_id.is_not(None))
    query = query.where(Object.dataset == dataset) if dataset else query
    return [
        tx.scalar(query.where(Object.registered_at >= low, Object.registered_at < high)) or 0
        for low, high in pairwise(edges)
    ]


def arrived(tx: Transaction, since: datetime, dataset: str | None) -> Mapping[str, Arrived]:
    """Return how many objects of batches were registered since then, by dataset."""
    query = (
        select(Object.dataset, func.count(), func.count(Object.quarantine_reason))
        .where(Object.registered_at >= since, Object.batch_id.is_not(None))
        .group_by(Object.dataset)
    )
    rows = tx.execute(query.where(Object.dataset == dataset) if dataset else query)
    return {name: Arrived(objects, quarantined) for name, objects, quarantined in rows}


def openings(tx: Transaction, edges: Sequence[datetime], dataset: str | None) -> Sequence[int]:
    """Return how many batches were opened between each two `edges`."""
    query = select(*_between(Batch.opened_at, edges)).where(Batch.opened_at >= edges[0])
    return _counts(tx, query.where(Batch.dataset == dataset) if dataset else query)


def backlog(tx: Transaction, dataset: str | None) -> Backlog:
    """Return what is not exported yet."""
    of_it = [Batch.dataset == dataset] if dataset else []
    rows = tx.execute(
        select(Batch.dataset, Batch.state, func.count(), func.sum(Batch.objects), func.min(Batch.opened_at))
        .where(*of_it)
        .group_by(Batch.dataset, Batch.state)
    ).all()
    left_out = tx.execute(
        select(Object.dataset, func.count())
        .join(Batch, Batch.id == Object.batch_id)
        .where(*of_it, Batch.state.in_(UNFINISHED), Object.quarantine_reason.is_not(None))
        .group_by(Object.dataset)
    ).tuples()
    unusable = dict(left_out.all())
    states, objects = Counter[str](), Counter[str]()
    for name, state, number, members, _ in rows:
        states[state.value] += number
        objects[name] += int(members or 0) if state in UNFINISHED else 0
    waiting = {name: max(0, number - unusable.get(name, 0)) for name, number in objects.items()}
    unfinished = [row for row in rows if row[1] in UNFINISHED]
    return Backlog(
        batches=sum(row[2] for row in unfinished),
        objects=sum(waiting.values()),
        oldest_at=min((row[4] for row in unfinished), default=None),
        states=dict(states),
        datasets={name: number for name, number in waiting.items() if number},
    )


def without_jobs(tx: Transaction, dataset: str | None) -> Mapping[tuple[str, int], int]:
    """Return the usable objects of the batches that have no jobs yet, by dataset and number of the batch."""
    query = (
        select(Batch.dataset, Batch.number, func.count())
        .join(Object, Object.batch_id == Batch.id)
        .where(Batch.state.in_((BatchState.OPEN, *INGESTING)), Object.quarantine_reason.is_(None))
        .group_by(Batch.dataset, Batch.number)
    )
    rows = tx.execute(query.where(Batch.dataset == dataset) if dataset else query)
    return {(name, number): images for name, number, images in rows}


def newest(tx: Transaction, dataset: str | None, limit: int = 10) -> Sequence[NewestBatch]:
    """Return the newest batches of a dataset, or of all, the newest first."""
    left_out = (
        select(func.count())
        .where(Object.batch_id == Batch.id, Object.quarantine_reason.is_not(None), Object.upload_name.is_(None))
        .scalar_subquery()
    )
    # The objects are counted for the batches that are shown, not for all that are sorted.
    order = Batch.opened_at.desc(), Batch.number.desc(), Batch.id
    shown = select(Batch.id).order_by(*order).limit(limit)
    found = (shown.where(Batch.dataset == dataset) if dataset else shown).subquery()
    rows = tx.execute(
        select(Batch.id, Batch.state, Batch.objects - left_out).join(found, found.c.id == Batch.id).order_by(*order)
    )
    return [NewestBatch(batch, state.value, objects) for batch, state, objects in rows]


def jobs(tx: Transaction, since: datetime, dataset: str | None) -> Sequence[JobRecord]:
    """Return the unfinished jobs of batches that people work on, and the jobs that were completed `since` then."""
    unfinished = (Job.status != JobStatus.COMPLETED) & (Batch.state == BatchState.ASSIGNED)
    lately = (Job.status == JobStatus.COMPLETED) & (Job.status_since >= since) & Batch.state.in_(_LIVE)
    query = (
        select(
            Job.batch_id, Job.assignee, Job.stop_frame - Job.start_frame + 1, Job.status, Job.status_since,
            Job.assigned_at, Job.returned, Review.phase, Review.annotator, Batch.dataset, Batch.number,
        )
        .join(Batch, Batch.id == Job.batch_id)
        .outerjoin(Review, Review.job_id == Job.id)
        .where(unfinished | lately)
    )  # fmt: skip
    found = []
    for (
        batch, assignee, images, status, since_when, assigned_at, returned, phase, annotator, name, number,
    ) in tx.execute(query.where(Batch.dataset == dataset) if dataset else query):  # fmt: skip
        is_done = status is JobStatus.COMPLETED
        was_reviewed = is_done and phase not in (None, Phase.ANNOTATION)
        # What is done counts for who drew it; how long that took is not known any more when a reviewer has the job.
        found.append(
            JobRecord(
                batch, annotator if was_reviewed else assignee, images, is_done, since_when,
                None if was_reviewed else assigned_at, returned, phase is Phase.REVIEW, name, annotator, number,
            )
        )  # fmt: skip
    return found


def done_jobs(records: Iterable[JobRecord]) -> Sequence[DoneJob]:
    """Return the completed jobs of a person, as `measured_times` needs them."""
    return [DoneJob(one.images, one.assigned_at, one.since, one.dataset) for one in records if one.is_done]


def verdicts(tx: Transaction, since: datetime, dataset: str | None) -> Sequence[Verdicts]:
    """Return what reviewers have said `since` then about each annotator's jobs; most rejections first."""
    query = (
        select(ReviewVerdict.annotator, ReviewVerdict.verdict, func.count())
        .join(Batch, Batch.id == ReviewVerdict.batch_id)
        .where(ReviewVerdict.at >= since)
        .group_by(ReviewVerdict.annotator, ReviewVerdict.verdict)
    )
    found: dict[str, Counter[ReviewResult]] = {}
    for annotator, verdict, number in tx.execute(query.where(Batch.dataset == dataset) if dataset else query):
        found.setdefault(annotator or "", Counter())[verdict] += number
    results = ReviewResult.ACCEPTED, ReviewResult.REJECTED, ReviewResult.FAULTY
    of_each = [Verdicts(name, *(said[one] for one in results)) for name, said in found.items()]
    return sorted(of_each, key=lambda one: (-one.rejected, one.annotator))


@dataclass(frozen=True, slots=True)
class Marker:
    """What is different after anything that figures show has changed, but for the passing of time."""

    ledger: str
    history: int
    """The id of the newest entry of the history, 0 before the first."""
    outages: int
    dead_letters: int
    errors: int
    problems: str
    """Of those that concern no single batch: how many, and since when the newest; and of people who are not reached."""
    objects: int
    """The id of the newest object, 0 before the first."""

    def __str__(self) -> str:
        return " ".join(map(str, astuple(self)))


def marker(tx: Transaction) -> Marker:
    """Return the marker of now; it costs little, however large the ledger is."""
    begun, ended = tx.execute(select(func.count(), func.count(Outage.until)).select_from(Outage)).one()
    letters = tx.scalar(
        select(func.count())
        .select_from(DeadLetter)
        .where(DeadLetter.replayed_at.is_(None), DeadLetter.discarded_at.is_(None))
    )
    errors = tx.scalar(select(func.count()).select_from(Batch).where(Batch.error.is_not(None)))
    problems, newest = tx.execute(select(func.count(), func.max(Problem.since)).select_from(Problem)).one()
    return Marker(
        ledger=tx.scalars(select(LedgerIdentity.id)).one(),
        history=tx.scalar(select(func.max(History.id))) or 0,
        outages=begun + ended,
        dead_letters=letters or 0,
        errors=errors or 0,
        problems=f"{problems} {newest.isoformat() if newest else '-'} {len(messages.not_reached(tx))}",
        objects=tx.scalar(select(func.max(Object.id))) or 0,
    )


def _between(column: InstrumentedAttribute[datetime], edges: Sequence[datetime]) -> Sequence[ColumnElement[int]]:
    return [
        func.coalesce(func.sum(case(((column >= low) & (column < high), 1), else_=0)), 0)
        for low, high in pairwise(edges)
    ]


def _counts(tx: Transaction, query: Select[tuple[int, ...]]) -> Sequence[int]:
    return [int(count) for count in tx.execute(query).one()]
