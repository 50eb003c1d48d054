"""Choosing annotators: what the policy of a dataset needs to know, and what it chose.

A choice is committed before it is sent. A job that nobody may get now has no choice: it waits (`job.waits_since`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from labelyard.domain.assignment import (
    ASSIGNMENT_POLICIES,
    Annotator,
    AssignmentRules,
    Choice,
    FreeJob,
    PolicyState,
    unavailable,
)
from labelyard.domain.review import Phase
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import absences, reviews
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.jobs import A_PERSON_CHOSE, of_batch
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Dataset
from labelyard.ledger.tables import Job as JobRow

WAITS = "waits"
"""The history's word for jobs that nobody may get now."""
_HELD = (BatchState.READY, BatchState.ASSIGNED, BatchState.FAILED)
"""States of a batch in which its jobs are somebody's open work; a failed one may be continued."""


def choose_assignees(
    tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules
) -> Sequence[JobRow]:
    """Choose an annotator for every job without one, or let it wait; return all jobs of the batch.

    The dataset must be locked (`datasets.lock`), because it counts the assigned jobs and everybody's open work. Commit
    it before anything is sent: a run that resumes after a crash then sends the same choices.
    """
    rows = {row.server_id: row for row in _without_choice(tx, batch)}
    dataset = tx.get_one(Dataset, batch.dataset)
    waits: dict[str, list[int]] = defaultdict(list)
    for choice in _choices(tx, batch, list(rows.values()), annotators, rules):
        row = rows[choice.job_id]
        if choice.annotator is None:
            if row.waits_since is None:
                waits[choice.reason].append(row.server_id)
                row.waits_since = tx.now
        else:
            row.waits_since, row.chosen_assignee = None, choice.annotator
            dataset.jobs_assigned += 1
        row.choice_reason = choice.reason
    for reason, jobs in waits.items():
        listed = f"job{'' if len(jobs) == 1 else 's'} {', '.join(map(str, sorted(jobs)))}"
        record(tx, WAITS, f"{listed}: {reason.removeprefix('waits: ')}", batch=batch)
    tx.flush()
    return of_batch(tx, batch.id)


def can_be_assigned(tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules) -> bool:
    """Return whether a job of the batch waits that somebody may get now, or a choice has not been sent."""
    in_review = reviews.jobs_in_review(tx, batch.id)
    unfinished = (row for row in of_batch(tx, batch.id) if row.status is not JobStatus.COMPLETED)
    if any(is_unsent(row) and row.server_id not in in_review for row in unfinished):
        return True
    rows = waiting(tx, batch.id)
    return bool(rows) and any(one.annotator for one in _choices(tx, batch, rows, annotators, rules))


def left_untouched(tx: Transaction, batch: Batch, rules: AssignmentRules) -> Sequence[JobRow]:
    """Return the jobs that labelyard gave to somebody longer than `reassign_after` ago, and that nobody has begun.

    As far as the ledger knows: on CVAT 1.x it does not. A job that somebody has lost so once is not among them.
    """
    if rules.reassign_after is None:
        return []
    latest, reviewed = tx.now - rules.reassign_after, reviews.of_batch(tx, batch.id)
    return [
        row
        for row in of_batch(tx, batch.id)
        if row.assignee is not None and row.assignee == row.chosen_assignee and not row.manual
        and row.status is JobStatus.ANNOTATION and row.begun_at is None and row.left_by is None
        and row.assigned_at is not None and row.assigned_at <= latest and row.choice_reason != A_PERSON_CHOSE
        and row.server_id not in reviewed
    ]  # fmt: skip


def can_be_replaced(tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules) -> bool:
    """Return whether somebody else may get a job that is left untouched."""
    rows = left_untouched(tx, batch, rules)
    return bool(rows) and any(one.annotator for one in _choices(tx, batch, rows, annotators, rules, replaced=True))


def replace_annotators(
    tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules, jobs: Collection[int]
) -> None:
    """Choose somebody else for those of `jobs` that are left untouched; where nobody may get one, it stays.

    As for `choose_assignees` the dataset must be locked, and it is committed before anything is sent.
    """
    rows = {row.server_id: row for row in left_untouched(tx, batch, rules) if row.server_id in jobs}
    for choice in _choices(tx, batch, list(rows.values()), annotators, rules, replaced=True):
        if choice.annotator is not None and rules.reassign_after is not None:
            row = rows[choice.job_id]
            row.left_by, row.chosen_assignee = row.assignee, choice.annotator
            hours = rules.reassign_after / timedelta(hours=1)
            row.choice_reason = f"{row.left_by} had not begun it after {hours:g} hours; {choice.reason}"
            tx.get_one(Dataset, batch.dataset).jobs_assigned += 1


def is_unsent(row: JobRow) -> bool:
    """Return whether the server does not show the choice of a job yet, as far as the ledger knows."""
    chosen = row.chosen_assignee is not None or row.waits_since is not None
    return chosen and not row.manual and row.assignee != row.chosen_assignee


def waiting(tx: Transaction, batch: str) -> Sequence[JobRow]:
    """Return the jobs of a batch that wait until somebody may get them."""
    in_review = reviews.jobs_in_review(tx, batch)
    return [row for row in of_batch(tx, batch) if _waits(row) and row.server_id not in in_review]


def datasets_with_work(tx: Transaction) -> Sequence[str]:
    """Return the datasets in whose batches a job waits or a choice may be unsent."""
    unsent = JobRow.chosen_assignee.is_not(None) & JobRow.chosen_assignee.is_distinct_from(JobRow.assignee)
    query = (
        select(Batch.dataset)
        .join(JobRow, JobRow.batch_id == Batch.id)
        .where(Batch.state == BatchState.ASSIGNED, JobRow.manual.is_(False), JobRow.waits_since.is_not(None) | unsent)
    )
    return sorted(set(tx.scalars(query)))


def record_skills(tx: Transaction, batch: str, skills: Mapping[int, Collection[str]]) -> None:
    """Record what each job needs, by CVAT's id of it; a job of which nothing is said keeps what it has."""
    for row in of_batch(tx, batch):
        if row.server_id in skills:
            row.skills = " ".join(sorted(skills[row.server_id]))


def _waits(row: JobRow) -> bool:
    is_free = row.chosen_assignee is None and row.assignee is None and not row.manual
    return is_free and row.waits_since is not None and row.status is not JobStatus.COMPLETED


def _without_choice(tx: Transaction, batch: Batch) -> Sequence[JobRow]:
    reviewed = reviews.jobs_in_review(tx, batch.id)
    return [
        row
        for row in of_batch(tx, batch.id)
        if row.chosen_assignee is None and not row.manual and row.server_id not in reviewed
        and (row.waits_since is None or row.status is not JobStatus.COMPLETED)
    ]  # fmt: skip


def _choices(
    tx: Transaction,
    batch: Batch,
    rows: Sequence[JobRow],
    annotators: Sequence[str],
    rules: AssignmentRules,
    *,
    replaced: bool = False,
) -> Sequence[Choice]:
    """Return the choices for these jobs of a batch; older batches' jobs that wait come first, and get none here.

    With `replaced`, nobody gets the job that they have.
    """
    older = select(Batch).where(
        Batch.dataset == batch.dataset, Batch.state == BatchState.ASSIGNED, Batch.number < batch.number
    )
    before = [(one, row) for one in tx.scalars(older.order_by(Batch.number)) for row in waiting(tx, one.id)]
    jobs = [_free_job(one, row, rules, row.left_by) for one, row in before]
    jobs += [_free_job(batch, row, rules, row.assignee if replaced else row.left_by) for row in rows]
    state = PolicyState(tx.get_one(Dataset, batch.dataset).jobs_assigned)
    team = _annotators(tx, batch, annotators, rules)
    mine = {row.server_id for row in rows}
    return [one for one in ASSIGNMENT_POLICIES[rules.policy](jobs, team, state) if one.job_id in mine]


def _free_job(batch: Batch, row: JobRow, rules: AssignmentRules, left_by: str | None) -> FreeJob:
    # What the dataset file has no name for any more, nobody needs.
    needs = frozenset((row.skills or "").split()) & {*rules.skills}
    images = row.stop_frame - row.start_frame + 1
    return FreeJob(row.server_id, batch.number, row.start_frame, images, needs, left_by)


@dataclass
class _Load:
    jobs: int = 0
    images: int = 0
    last: list[datetime] = field(default_factory=list)


def _annotators(tx: Transaction, batch: Batch, names: Sequence[str], rules: AssignmentRules) -> Sequence[Annotator]:
    now, away = tx.now, absences.current(tx)
    loads = _loads(tx, batch)
    last = _last_assigned(tx, batch.dataset)
    found = []
    for name in names:
        own, load = rules.of(name), loads[name]
        until = away[name].until if name in away else None
        why = unavailable(own, now, until, is_away=name in away)
        found.append(Annotator(name, load.jobs, load.images, own.limit, why, own.levels, last.get(name)))
    return found


def _loads(tx: Transaction, batch: Batch) -> Mapping[str, _Load]:
    """Return everybody's open work on the batch's CVAT: jobs of its dataset, images of all; no reviews."""
    query = (
        select(Batch.dataset, JobRow)
        .join(Batch, Batch.id == JobRow.batch_id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .where(Batch.cvat == batch.cvat, Batch.state.in_(_HELD), JobRow.status != JobStatus.COMPLETED)
        .where(Review.phase.is_(None) | (Review.phase == Phase.ANNOTATION))
    )
    found: dict[str, _Load] = defaultdict(_Load)
    for dataset, row in tx.execute(query):
        # A choice counts from the moment when it is committed; until it is sent, its job is nobody's else.
        holder = row.assignee if row.manual or row.chosen_assignee is None else row.chosen_assignee
        if holder is not None:
            found[holder].jobs += dataset == batch.dataset
            found[holder].images += row.stop_frame - row.start_frame + 1
    return found


def _last_assigned(tx: Transaction, dataset: str) -> Mapping[str, datetime]:
    query = (
        select(JobRow.assignee, func.max(JobRow.assigned_at))
        .join(Batch, Batch.id == JobRow.batch_id)
        .where(Batch.dataset == dataset, JobRow.assignee.is_not(None), JobRow.assigned_at.is_not(None))
        .group_by(JobRow.assignee)
    )
    return {name: at for name, at in tx.execute(query) if name is not None}
