"""Collecting: which tasks are complete, which were opened again, which changed after their export."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from labelyard.context import Context
from labelyard.cvat import Cvat
from labelyard.domain.rotation import rotating_subset
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus, Task
from labelyard.errors import CVAT_IS_AWAY, CvatError, CvatNotFound, LabelyardError, LedgerError
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, breakers, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export

_log = logging.getLogger(__name__)
_UNTOUCHED = (BatchState.ASSIGNED, BatchState.EXPORTED)
_EXPORTED_AT_ONCE = 200
"""States in which no run works on a batch, so that what its error says is ours."""


@dataclass(frozen=True)
class Collected:
    """What came of a look at every task that lies with people: batch ids, and what went wrong for which."""

    completed: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Those of which anything was new, a job's status or its person too."""
    failed: Mapping[str, str] | None = None


def collect(context: Context) -> Collected:
    """Look at the tasks that lie with people; complete ones are announced. One that fails stops only itself.

    Of exported ones so many are looked at each time, in turn: they may be reopened until they are released. Tasks of a
    CVAT that is left alone are not looked at: `probe` says when it is back.
    """
    completed, reopened, changed, failed = [], [], [], {}
    with context.ledger.read_only() as tx:
        now = tx.now
        exported = batches.in_states(tx, (BatchState.EXPORTED,))
        round_number = int(now.timestamp() // context.settings.deploy.collect_seconds)
        waiting = [
            *batches.in_states(tx, (BatchState.ASSIGNED, BatchState.COMPLETED)),
            *rotating_subset(exported, _EXPORTED_AT_ONCE, round_number),
        ]
        away = breakers.open_servers(tx, now)
    people: dict[str, Mapping[int, str]] = {}
    for batch in waiting:
        cvat = batch.cvat or ""
        if cvat in away:
            continue
        try:
            state, news = _look(context, batch, people)
        except LabelyardError as error:
            if isinstance(error, CVAT_IS_AWAY):
                away.add(cvat)  # the other batches there would only meet the same
                with context.ledger.transaction() as tx:
                    breakers.record_failure(tx, cvat, error.happened)
            elif not isinstance(error, LedgerError):
                _tell(context, batch, error)
            _log.warning("%s: %s", batch.id, error)
            failed[batch.id] = str(error)
            continue
        if news:
            changed.append(batch.id)
        if state is BatchState.COMPLETED:
            completed.append(batch.id)
        elif state is BatchState.ASSIGNED:
            reopened.append(batch.id)
    return Collected(tuple(completed), tuple(reopened), tuple(changed), failed)


def _look(context: Context, batch: Batch, people: dict[str, Mapping[int, str]]) -> tuple[BatchState | None, bool]:
    """The state that the batch moved to, None when it stays; and whether anything was new."""
    with context.ledger.read_only() as tx:
        (row, task_id), export = tasks.require_current(tx, batch.id), exports.current(tx, batch.id)
    cvat = context.cvat(row.cvat)
    if row.cvat not in people:
        people[row.cvat] = {user.id: user.username for user in cvat.users()}
    task = _shown(cvat, batch, task_id)
    failpoint("collect_finished.shown")
    with context.ledger.transaction() as tx:
        fresh = batches.get(tx, batch.id, lock=True)
        if fresh.changed_at != batch.changed_at:
            return None, False  # somebody moved it while we looked: the next look decides
        news = jobs.update_from_server(tx, fresh, task.jobs, people[row.cvat])
        breakers.record_success(tx, row.cvat)
        if fresh.state in _UNTOUCHED:
            fresh.error = fresh.next_step = None
        new, reason = _decide(fresh.state, task, export)
        if new is not None:
            batches.move(tx, fresh, new, reason)
            _log.info("%s: %s", batch.id, reason)
        failpoint("collect_finished.written")
    failpoint("collect_finished.collected")
    return new, news or new is not None


def _shown(cvat: Cvat, batch: Batch, server_id: int) -> Task:
    try:
        return cvat.task(server_id)
    except CvatError as error:
        error.where = f"{batch.id}, task {server_id} on {cvat.url}"
        if isinstance(error, CvatNotFound):
            error.next_step = "labelyard repair --apply, which makes the task anew"
            if batch.state is BatchState.EXPORTED:
                error.next_step = f"labelyard archive {batch.id} if its work is done; else {error.next_step}"
        raise


def _tell(context: Context, batch: Batch, error: LabelyardError) -> None:
    """Let `labelyard status` say what keeps us from seeing a task; the next look that succeeds takes it back."""
    with context.ledger.transaction() as tx:
        fresh = batches.get(tx, batch.id, lock=True)
        if fresh.state in _UNTOUCHED:
            fresh.error, fresh.next_step = error.happened, error.next_step or "labelyard doctor"


def _decide(state: BatchState, task: Task, export: Export | None) -> tuple[BatchState | None, str]:
    done = bool(task.jobs) and all(job.status is JobStatus.COMPLETED for job in task.jobs)
    if state is BatchState.ASSIGNED and done:
        return BatchState.COMPLETED, f"all {len(task.jobs)} jobs are completed"
    if state in (BatchState.COMPLETED, BatchState.EXPORTED) and not done:
        opened = [str(job.id) for job in task.jobs if job.status is not JobStatus.COMPLETED]
        return BatchState.ASSIGNED, f"reopened: job {', '.join(opened)}"
    if state is BatchState.EXPORTED and export is not None and task.updated != export.task_updated:
        return BatchState.COMPLETED, f"annotations changed at {task.updated}, after the export"
    return None, ""
