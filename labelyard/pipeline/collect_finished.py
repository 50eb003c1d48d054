"""collect_finished: find tasks that are completed, were reopened, or whose annotations changed after the export.

Then jobs that wait for somebody are assigned: a completed job makes room for the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.attention import TRIED_IN_VAIN
from labelyard.domain.review import ReviewRules
from labelyard.domain.rotation import rotating_subset
from labelyard.domain.states import WITHOUT_A_RUN, BatchState
from labelyard.domain.tasks import JobStatus, Task
from labelyard.errors import CVAT_UNAVAILABLE, CvatError, CvatNotFound, LabelyardError, LedgerError
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, breakers, datasets, exports, jobs, quality, reviews, tasks
from labelyard.ledger.history import record
from labelyard.ledger.reviews import Reviewing
from labelyard.ledger.situation import NOT_COLLECTED
from labelyard.ledger.tables import Batch, Export
from labelyard.log_records import log_about
from labelyard.pipeline.assign_quality_jobs import finish_replacements
from labelyard.pipeline.assign_waiting_jobs import assign_waiting_jobs
from labelyard.pipeline.review_jobs import review_jobs

_log = logging.getLogger(__name__)
_EXPORTED_AT_ONCE = 200
"""Exported batches per call: each costs a request, and a call must end before the next is scheduled."""


@dataclass(frozen=True)
class Collected:
    """Batches that were completed, reopened, or changed in any way; and the error of each one that failed.

    `needs_person` are those of the latter that a person must fix, named once: when that is found out. `overtaken` are
    those about which another process recorded something meanwhile.
    """

    completed: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    failed: Mapping[str, str] | None = None
    needs_person: tuple[str, ...] = ()
    overtaken: tuple[str, ...] = ()


@dataclass
class _Round:
    """The state of one call of `collect`."""

    context: Context
    unavailable: set[str]
    """Servers that are not asked."""
    is_scheduled: bool = True
    """Whether failures are recorded. A batch that CVAT reported is asked for again by the next scheduled call."""
    usernames: dict[str, Mapping[int, str]] = field(default_factory=dict)
    """CVAT -> user id -> name."""
    can_work: dict[str, Collection[str]] = field(default_factory=dict)
    """CVAT -> the users who may get jobs; read where there are reviews."""
    rules: dict[str, ReviewRules | None] = field(default_factory=dict)
    """Dataset -> the rules of its reviews; None without reviews."""
    completed: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    needs_person: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)


def collect(context: Context) -> Collected:
    """Ask CVAT for the tasks that people work on, and record what changed; a completed batch gets an event.

    A batch that fails stops only itself. Of exported batches, which may be reopened until they are archived, a share is
    asked for each time, in rotation. A CVAT with an open breaker is not asked.
    """
    return _collect(context, _batches_to_check(context), is_scheduled=True)


def collect_reported(context: Context, reported: Sequence[Batch]) -> Collected:
    """Do the same for batches that CVAT reported; their failures are left to the next `collect`."""
    return _collect(context, reported, is_scheduled=False)


def _collect(context: Context, to_check: Sequence[Batch], *, is_scheduled: bool) -> Collected:
    with context.ledger.read_only() as tx:
        unavailable = breakers.open_servers(tx, tx.now)
    found = _Round(context, unavailable, is_scheduled)
    for batch in to_check:
        if (batch.cvat or "") not in found.unavailable:
            with log_about(dataset=batch.dataset, batch=batch.id):
                _check_batch(found, batch)
    only = None if is_scheduled else {batch.dataset for batch in to_check}
    assigned = assign_waiting_jobs(context, found.unavailable, only) if to_check or is_scheduled else ()
    found.changed += [batch for batch in assigned if batch not in found.changed]
    return Collected(
        tuple(found.completed), tuple(found.reopened), tuple(found.changed), found.failed, tuple(found.needs_person),
        tuple(found.overtaken),
    )  # fmt: skip


def _batches_to_check(context: Context) -> Sequence[Batch]:
    with context.ledger.read_only() as tx:
        exported = batches.ids_in_state(tx, BatchState.EXPORTED)
        turn = int(tx.now.timestamp() // context.settings.deploy.collect_seconds)
        unfinished = batches.in_states(tx, (BatchState.ASSIGNED, BatchState.COMPLETED))
        return [*unfinished, *batches.with_ids(tx, rotating_subset(exported, _EXPORTED_AT_ONCE, turn))]


def _check_batch(found: _Round, batch: Batch) -> None:
    try:
        state, changed = _record_progress(found, batch)
    except LabelyardError as error:
        _log.warning("%s: %s", batch.id, error)
        found.failed[batch.id] = str(error)
        _record_failure(found, batch, error)
        return
    if changed:
        found.changed.append(batch.id)
    if state is BatchState.COMPLETED:
        found.completed.append(batch.id)
    elif state is BatchState.ASSIGNED:
        found.reopened.append(batch.id)


def _record_progress(found: _Round, batch: Batch) -> tuple[BatchState | None, bool]:
    """Return the state that the batch moved to, None without a move; and whether anything changed."""
    with found.context.ledger.read_only() as tx:
        (row, task_id), written = tasks.require_current(tx, batch.id), exports.latest(tx, batch.id)
    cvat = found.context.cvat(row.cvat)
    if row.cvat not in found.usernames:
        found.usernames[row.cvat] = {user.id: user.username for user in cvat.users()}
    usernames, rules = found.usernames[row.cvat], _rules(found, batch)
    known, task = _get_task(found.context, cvat, batch, task_id)
    can_work = _can_work(found, cvat, row.cvat) if rules else ()
    if (
        rules
        and batch.state is BatchState.ASSIGNED
        and review_jobs(found.context, batch, task, usernames, can_work, rules)
    ):
        known, task = _get_task(found.context, cvat, batch, task_id)
    if finish_replacements(found.context, batch, task, usernames):
        known, task = _get_task(found.context, cvat, batch, task_id)
    failpoint("collect_finished.shown")
    with found.context.ledger.transaction() as tx:
        fresh = batches.get(tx, batch.id, lock=True)
        if fresh.changed_at != batch.changed_at or jobs.last_shown(tx, batch.id) != known:
            found.overtaken.append(batch.id)
            return None, False  # another process recorded what may be newer: the next call decides
        jobs_changed = jobs.update_from_server(tx, fresh, task.jobs, usernames)
        jobs_changed |= quality.update_from_server(tx, fresh, task, usernames)
        breakers.record_success(tx, row.cvat)
        if fresh.state in WITHOUT_A_RUN:
            fresh.error, fresh.next_step, fresh.attempts = None, None, 0
        about = Reviewing(fresh, task.jobs, usernames, rules, can_work) if rules else None
        state, reason = _next_state(fresh.state, task, written, reviews.unfinished(tx, about) if about else set())
        if state is not None:
            batches.move(tx, fresh, state, reason)
            _log.info("%s: %s", batch.id, reason)
        failpoint("collect_finished.written")
    failpoint("collect_finished.collected")
    return state, jobs_changed or state is not None


def _can_work(found: _Round, cvat: Cvat, name: str) -> Collection[str]:
    if name not in found.can_work:
        found.can_work[name] = {user.username for user in cvat.assignable_users()}
    return found.can_work[name]


def _rules(found: _Round, batch: Batch) -> ReviewRules | None:
    """Return the rules of the dataset file as it is now: a batch may have an older version."""
    if batch.dataset not in found.rules:
        with found.context.ledger.read_only() as tx:
            section = datasets.spec(tx, batch.dataset).review
        found.rules[batch.dataset] = section.rules() if section else None
    return found.rules[batch.dataset]


def _get_task(context: Context, cvat: Cvat, batch: Batch, task_id: int) -> tuple[jobs.LastShown, Task]:
    """Return what the ledger knew of the jobs before CVAT was asked, and the task as CVAT shows it."""
    with context.ledger.read_only() as tx:
        known = jobs.last_shown(tx, batch.id)
    try:
        return known, cvat.task(task_id)
    except CvatError as error:
        error.where = f"{batch.id}, task {task_id} on {cvat.url}"
        if isinstance(error, CvatNotFound):
            error.next_step = f"labelyard apply {batch.dataset}, which creates the task again"
            if batch.state is BatchState.EXPORTED:
                error.next_step = f"labelyard archive {batch.id} if its work is done; else {error.next_step}"
        raise


def _record_failure(found: _Round, batch: Batch, error: LabelyardError) -> None:
    """Count a failure of the server against it; show one that a person must fix in `labelyard status`."""
    if isinstance(error, CVAT_UNAVAILABLE):
        found.unavailable.add(batch.cvat or "")  # the other batches there would fail as well
    if isinstance(error, LedgerError) or not found.is_scheduled:
        return
    with found.context.ledger.transaction() as tx:
        if isinstance(error, CVAT_UNAVAILABLE):
            breakers.record_failure(tx, batch.cvat or "", error.happened)
            return
        fresh = batches.get(tx, batch.id, lock=True)
        if fresh.state in WITHOUT_A_RUN:
            fresh.attempts += 1
            if error.retry and fresh.attempts < TRIED_IN_VAIN:
                return
            if fresh.error is None:
                record(tx, NOT_COLLECTED, error.happened, batch=fresh)
                found.needs_person.append(batch.id)
            fresh.error, fresh.next_step = error.happened, error.next_step or "labelyard doctor"


def _next_state(
    state: BatchState, task: Task, written: Sequence[Export], unreviewed: Collection[int]
) -> tuple[BatchState | None, str]:
    """Return the state that the task moves its batch to, and why; None if it stays.

    `written` are its exports, `unreviewed` the jobs whose review has not come to its end.
    """
    waiting = [job for job in task.jobs if job.status is not JobStatus.COMPLETED or job.id in unreviewed]
    done = bool(task.jobs) and not waiting
    if state is BatchState.ASSIGNED and done:
        return BatchState.COMPLETED, f"all {len(task.jobs)} jobs are completed"
    if state in (BatchState.COMPLETED, BatchState.EXPORTED) and not done:
        reopened = [str(job.id) for job in waiting]
        return BatchState.ASSIGNED, f"reopened: job {', '.join(reopened)}"
    if state is BatchState.EXPORTED and any(task.work_updated != export.task_updated for export in written):
        return BatchState.COMPLETED, f"annotations changed at {task.work_updated}, after the export"
    return None, ""
