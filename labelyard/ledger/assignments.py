"""Choosing annotators: what the policy of a dataset needs to know, and what it chose.

A choice is committed before it is sent. A job that nobody may get now has no choice: it waits (`job.waits_since`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, case, func, select

from labelyard.domain.assignment import (
    ASSIGNMENT_POLICIES,
    Annotator,
    AssignmentRules,
    Choice,
    FreeJob,
    PolicyState,
    informed,
    unavailable,
)
from labelyard.domain.assignment_state import AssignmentState
from labelyard.domain.review import Phase
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import absences, reviews, work_history
from labelyard.ledger.database import Transaction
from labelyard.ledger.history import record
from labelyard.ledger.jobs import A_PERSON_CHOSE, NOT_BEGUN, is_unsent_replacement, of_batch, state_of
from labelyard.ledger.review_tables import Review
from labelyard.ledger.tables import Batch, Dataset
from labelyard.ledger.tables import Job as JobRow

WAITS = "waits"
"""The history's word for jobs that nobody may get now."""
_LISTED = 20
"""How many jobs an entry of the history names."""
_HELD = (BatchState.READY, BatchState.ASSIGNED, BatchState.FAILED)
"""States of a batch in which its jobs are somebody's open work; a failed one may be continued."""


@dataclass
class Due:
    """What there is to do for jobs of a dataset on one CVAT, by batch."""

    batches: set[str] = field(default_factory=set)
    """Where a job waits that somebody may get now, a job is left untouched, or a choice has not been sent."""
    reasons: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """Where nothing can be assigned: why jobs wait now, by row, if the ledger says something else."""


def choose_assignees(
    tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules, on_server: Collection[int]
) -> Sequence[JobRow]:
    """Choose an annotator for every job `on_server` without one, or let it wait; return all jobs of the batch.

    The dataset must be locked (`datasets.lock`), because it counts the assigned jobs and everybody's open work. Commit
    it before anything is sent: a run that resumes after a crash then sends the same choices.
    """
    rows = {row.server_id: row for row in _without_choice(tx, batch) if row.server_id in on_server}
    dataset = tx.get_one(Dataset, batch.dataset)
    waits: dict[str, list[int]] = defaultdict(list)
    jobs = [_free_job(batch, row, rules, row.left_by) for row in rows.values()]
    for choice in _choices(tx, batch, jobs, annotators, rules):
        row = rows[choice.job_id]
        if choice.annotator is None:
            if row.waits_since is None:
                waits[choice.reason].append(row.server_id)
                row.waits_since = tx.now
        else:
            row.waits_since, row.chosen_assignee = None, choice.annotator
            dataset.jobs_assigned += 1
        row.choice_reason = choice.reason
    for reason, waiting_now in waits.items():
        record(tx, WAITS, f"{_listed(waiting_now)}: {reason.removeprefix('waits: ')}", batch=batch)
    tx.flush()
    return of_batch(tx, batch.id)


def stop_waiting(tx: Transaction, batch: Batch, why: str) -> None:
    """Let no job of a batch wait any more, because nobody could ever get it: then it needs a person."""
    rows = [row for row in of_batch(tx, batch.id) if row.waits_since is not None and state_of(row).has_no_choice]
    for row in rows:
        row.waits_since = row.choice_reason = None
    if rows:
        record(tx, WAITS, f"{_listed([row.server_id for row in rows])}, no more: {why}", batch=batch)


def left_untouched(tx: Transaction, batch: Batch, rules: AssignmentRules) -> Sequence[JobRow]:
    """Return the jobs that labelyard gave to somebody longer than `reassign_after` ago, and that nobody has begun.

    As far as the ledger knows: on CVAT 1.x it does not. A job that somebody has lost before is not among them.
    """
    return [row for _, row in _untouched_of(tx, rules, Batch.id == batch.id)]


def replace_annotators(
    tx: Transaction, batch: Batch, annotators: Sequence[str], rules: AssignmentRules, jobs: Collection[int]
) -> None:
    """Choose somebody else for those of `jobs` that are left untouched; where nobody may get one, it stays.

    As for `choose_assignees` the dataset must be locked, and it is committed before anything is sent.
    """
    rows = {row.server_id: row for row in left_untouched(tx, batch, rules) if row.server_id in jobs}
    free = [_free_job(batch, row, rules, row.assignee) for row in rows.values()]
    for choice in _choices(tx, batch, free, annotators, rules):
        if choice.annotator is not None and rules.reassign_after is not None:
            row = rows[choice.job_id]
            row.left_by, row.chosen_assignee = row.assignee, choice.annotator
            hours = rules.reassign_after / timedelta(hours=1)
            row.choice_reason = f"{row.left_by} {NOT_BEGUN} {hours:g} hours; {choice.reason}"
            tx.get_one(Dataset, batch.dataset).jobs_assigned += 1


def give_up_choices(tx: Transaction, batch: str, active: Collection[str]) -> None:
    """Clear the unsent choices of people who can get no job any more.

    A job that would have been taken from somebody who left it untouched stays with them; for others somebody else is
    chosen.
    """
    for row in of_batch(tx, batch):
        if state_of(row) is not AssignmentState.UNSENT or row.chosen_assignee in active:
            continue
        if is_unsent_replacement(row):
            row.choice_reason = f"{row.chosen_assignee} can get no job any more, so it stays"
            row.chosen_assignee, row.left_by = row.assignee, None
        else:
            row.chosen_assignee = None


def waiting(tx: Transaction, batch: str) -> Sequence[JobRow]:
    """Return the jobs of a batch that wait until somebody may get them."""
    return [row for _, row in _waiting_of(tx, Batch.id == batch)]


def with_work(tx: Transaction, limited: Collection[str]) -> Sequence[tuple[str, str]]:
    """Return each dataset and CVAT with a job that waits or a choice that may be unsent, or with a time limit.

    `limited` are the datasets with a limit for jobs that nobody begins.
    """
    about = select(Batch.dataset, Batch.cvat).where(Batch.state == BatchState.ASSIGNED, Batch.error.is_(None))
    with_jobs = about.join(JobRow, JobRow.batch_id == Batch.id).where(JobRow.manual.is_(False))
    found = {*tx.execute(with_jobs.where(JobRow.waits_since.is_not(None) | _UNSENT).distinct()).tuples()}
    found |= {pair for pair in tx.execute(about.distinct()).tuples() if pair[0] in limited}
    return sorted((dataset, cvat) for dataset, cvat in found if cvat is not None)


def find_due(tx: Transaction, dataset: str, cvat: str, annotators: Sequence[str], rules: AssignmentRules) -> Due:
    """Return what is to be done for a dataset's jobs on a CVAT, which can give jobs to these annotators.

    Without any annotator each batch in which a job waits is due: then somebody has to be told.
    """
    which = (Batch.dataset == dataset, Batch.cvat == cvat, *_WITH_PEOPLE)
    unsent = (
        select(JobRow.batch_id)
        .join(Batch, Batch.id == JobRow.batch_id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .where(*which, JobRow.manual.is_(False), _UNSENT, JobRow.status != JobStatus.COMPLETED, _NOT_IN_REVIEW)
    )
    due, waits = Due({*tx.scalars(unsent)}), _waiting_of(tx, *which)
    if not annotators:
        due.batches |= {batch.id for batch, _ in waits}
        return due
    late = _untouched_of(tx, rules, *which)
    if not waits and not late:
        return due
    by_job = {row.server_id: (batch, row) for batch, row in (*waits, *late)}
    jobs = [_free_job(batch, row, rules, row.left_by) for batch, row in waits]
    jobs += [_free_job(batch, row, rules, row.assignee) for batch, row in late]
    team = _annotators(tx, dataset, cvat, annotators, rules)
    choices = ASSIGNMENT_POLICIES[rules.policy](jobs, team, PolicyState())
    due.batches |= {by_job[one.job_id][0].id for one in choices if one.annotator}
    if not due.batches:
        for choice in choices:
            batch, row = by_job[choice.job_id]
            if row.waits_since is not None and row.choice_reason != choice.reason:
                due.reasons[batch.id][row.id] = choice.reason
    return due


def record_reasons(tx: Transaction, reasons: Mapping[str, Mapping[int, str]]) -> None:
    """Record why jobs wait now, by batch and row; those that do not wait any more stay as they are.

    The dataset must be locked; the batches are locked here, in their order.
    """
    tx.execute(select(Batch.id).where(Batch.id.in_(reasons)).order_by(Batch.id).with_for_update(key_share=True))
    for batch, row in _waiting_of(tx, Batch.id.in_(reasons)):
        row.choice_reason = reasons[batch.id].get(row.id, row.choice_reason)


def record_skills(tx: Transaction, batch: str, skills: Mapping[int, Collection[str]]) -> None:
    """Record what each job needs, by CVAT's id of it; a job of which nothing is said keeps what it has."""
    for row in of_batch(tx, batch):
        if row.server_id in skills:
            row.skills = " ".join(sorted(skills[row.server_id]))


_NOT_IN_REVIEW = Review.job_id.is_(None) | (
    (Review.phase == Phase.ANNOTATION) & Review.step.is_(None) & Review.problem.is_(None)
)
"""What `reviews.jobs_in_review` says, for an outer join."""
_UNSENT = JobRow.chosen_assignee.is_distinct_from(JobRow.assignee) & (
    JobRow.chosen_assignee.is_not(None) | JobRow.waits_since.is_not(None)
)
"""What `AssignmentState.is_unsent` says of a job that is not manual."""
_WITH_PEOPLE = (Batch.state == BatchState.ASSIGNED, Batch.error.is_(None))
"""A batch whose task cannot be read is nobody's work until a person has repaired it."""


def _waiting_of(tx: Transaction, *which: ColumnElement[bool]) -> Sequence[tuple[Batch, JobRow]]:
    """Return the jobs that wait, by batch and first frame; not those that a person moved to another status."""
    waits = (JobRow.waits_since.is_not(None), JobRow.chosen_assignee.is_(None), JobRow.assignee.is_(None))
    return _rows(tx, *which, *waits, _NOT_IN_REVIEW)


def _untouched_of(
    tx: Transaction, rules: AssignmentRules, *which: ColumnElement[bool]
) -> Sequence[tuple[Batch, JobRow]]:
    if rules.reassign_after is None:
        return []
    # With `review` each job has a row from the first look on: only a completed one has been selected, or has a round.
    not_reviewed = Review.job_id.is_(None) | (_NOT_IN_REVIEW & (Review.round == 0) & Review.selected.is_(None))
    return _rows(
        tx, *which, not_reviewed, JobRow.assignee == JobRow.chosen_assignee, JobRow.begun_at.is_(None),
        JobRow.left_by.is_(None), JobRow.assigned_at <= tx.now - rules.reassign_after,
        JobRow.choice_reason.is_distinct_from(A_PERSON_CHOSE),
    )  # fmt: skip


def _rows(tx: Transaction, *which: ColumnElement[bool]) -> Sequence[tuple[Batch, JobRow]]:
    """Return jobs that people may label and that no person assigned, by batch and first frame."""
    query = (
        select(Batch, JobRow)
        .join(JobRow, JobRow.batch_id == Batch.id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .where(*which, JobRow.manual.is_(False), JobRow.status == JobStatus.ANNOTATION)
        .order_by(Batch.number, JobRow.start_frame, JobRow.server_id)
    )
    return [(batch, row) for batch, row in tx.execute(query)]


def _without_choice(tx: Transaction, batch: Batch) -> Sequence[JobRow]:
    reviewed = reviews.jobs_in_review(tx, batch.id)
    return [
        row
        for row in of_batch(tx, batch.id)
        if state_of(row).has_no_choice and row.server_id not in reviewed
        and (row.waits_since is None or row.status is JobStatus.ANNOTATION)
    ]  # fmt: skip


def _choices(
    tx: Transaction, batch: Batch, jobs: Sequence[FreeJob], annotators: Sequence[str], rules: AssignmentRules
) -> Sequence[Choice]:
    """Return the choices for these jobs of a batch, with those for the jobs of other batches that wait.

    Policies choose for older batches first; some look at all that waits.
    """
    if not jobs:
        return []
    others = (Batch.dataset == batch.dataset, Batch.cvat == batch.cvat, Batch.id != batch.id)
    waits = [_free_job(one, row, rules, row.left_by) for one, row in _waiting_of(tx, *others, *_WITH_PEOPLE)]
    state = PolicyState(tx.get_one(Dataset, batch.dataset).jobs_assigned)
    team = _annotators(tx, batch.dataset, batch.cvat or "", annotators, rules)
    mine = {job.id for job in jobs}
    return [one for one in ASSIGNMENT_POLICIES[rules.policy]([*waits, *jobs], team, state) if one.job_id in mine]


def _listed(job_ids: Sequence[int]) -> str:
    """Return jobs in words; of many, the first ones and how many others."""
    shown = ", ".join(map(str, islice(sorted(job_ids), _LISTED)))
    others = f" and {len(job_ids) - _LISTED} others" if len(job_ids) > _LISTED else ""
    return f"job{'' if len(job_ids) == 1 else 's'} {shown}{others}"


def _free_job(batch: Batch, row: JobRow, rules: AssignmentRules, left_by: str | None) -> FreeJob:
    # What the dataset file has no name for any more, nobody needs.
    needs = frozenset((row.skills or "").split()) & {*rules.skills}
    images = row.stop_frame - row.start_frame + 1
    return FreeJob(row.server_id, batch.number, row.start_frame, images, needs, left_by)


@dataclass
class _Load:
    jobs: int = 0
    images: int = 0
    datasets: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The images by dataset."""


def _annotators(
    tx: Transaction, dataset: str, cvat: str, names: Sequence[str], rules: AssignmentRules
) -> Sequence[Annotator]:
    now, away = tx.now, absences.current(tx)
    loads = _loads(tx, dataset, cvat)
    last = _last_assigned(tx, dataset) if rules.policy == "pool" else {}
    found = []
    for name in names:
        own, load = rules.of(name), loads[name]
        until = away[name].until if name in away else None
        why = unavailable(own, now, until, is_away=name in away)
        found.append(Annotator(name, load.jobs, load.images, own.limit, why, own.levels, last.get(name)))
    if rules.policy != "forecast":
        return found
    history, records = work_history.read(tx)
    for person, datasets in work_history.coming_back(history, records).items():
        for name, images in datasets.items():
            loads[person].datasets[name] += images
    open_images = {name: load.datasets for name, load in loads.items()}
    return informed(found, dataset, rules, history, open_images, {name: one.until for name, one in away.items()})


def _loads(tx: Transaction, dataset: str, cvat: str) -> dict[str, _Load]:
    """Return everybody's open work on a CVAT: jobs of the dataset, images of all; no reviews.

    Jobs in a task that cannot be read do not count: it may be deleted, and nobody could ever complete them.
    """
    # A choice counts from the moment when it is committed; until it is sent, its job is nobody's else.
    chosen = JobRow.manual.is_(False) & JobRow.chosen_assignee.is_not(None)
    holder = case((chosen, JobRow.chosen_assignee), else_=JobRow.assignee)
    query = (
        select(holder, Batch.dataset, func.count(), func.sum(JobRow.stop_frame - JobRow.start_frame + 1))
        .join(Batch, Batch.id == JobRow.batch_id)
        .outerjoin(Review, Review.job_id == JobRow.id)
        .where(Batch.cvat == cvat, Batch.state.in_(_HELD), JobRow.status != JobStatus.COMPLETED)
        .where((Batch.state != BatchState.ASSIGNED) | Batch.error.is_(None))
        .where(Review.phase.is_(None) | (Review.phase == Phase.ANNOTATION), holder.is_not(None))
        .group_by(holder, Batch.dataset)
    )
    found: dict[str, _Load] = defaultdict(_Load)
    for person, of_dataset, number, images in tx.execute(query):
        found[person].jobs += number if of_dataset == dataset else 0
        found[person].images += int(images)  # PostgreSQL's sum of large integers is a Decimal
        found[person].datasets[of_dataset] += int(images)
    return found


def _last_assigned(tx: Transaction, dataset: str) -> Mapping[str, datetime]:
    query = (
        select(JobRow.assignee, func.max(JobRow.assigned_at))
        .join(Batch, Batch.id == JobRow.batch_id)
        .where(Batch.dataset == dataset, JobRow.assignee.is_not(None), JobRow.assigned_at.is_not(None))
        .group_by(JobRow.assignee)
    )
    return {name: at for name, at in tx.execute(query) if name is not None}
