"""Collecting: which tasks are complete, which were opened again, which changed after their export."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from labelyard.crashing import point
from labelyard.cvat import Cvat
from labelyard.errors import CVAT_IS_AWAY, CvatError, CvatNotFound, LabelyardError, LedgerError
from labelyard.ledger import batches, breakers, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export
from labelyard.model import JobStatus, Task
from labelyard.plan.lifecycle import BatchState
from labelyard.plan.turns import in_turn
from labelyard.workplace import Workplace

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


def collect(place: Workplace) -> Collected:
    """Look at the tasks that lie with people; complete ones are announced. One that fails stops only itself.

    Of exported ones so many are looked at each time, in turn: they may be reopened until they are released. Tasks of a
    CVAT that is left alone are not looked at: `probe` says when it is back.
    """
    completed, reopened, changed, failed = [], [], [], {}
    with place.ledger.read() as session:
        now = place.ledger.now(session)
        exported = batches.in_states(session, (BatchState.EXPORTED,))
        waiting = [
            *batches.in_states(session, (BatchState.ASSIGNED, BatchState.COMPLETED)),
            *in_turn(exported, _EXPORTED_AT_ONCE, int(now.timestamp() // place.settings.deploy.collect_seconds)),
        ]
        away = breakers.shut(session, now)
    people: dict[str, Mapping[int, str]] = {}
    for batch in waiting:
        cvat = batch.cvat or ""
        if cvat in away:
            continue
        try:
            state, news = _look(place, batch, people)
        except LabelyardError as error:
            if isinstance(error, CVAT_IS_AWAY):
                away.add(cvat)  # the other batches there would only meet the same
                with place.ledger.write() as session:
                    breakers.record_failure(place.ledger, session, cvat, error.happened)
            elif not isinstance(error, LedgerError):
                _tell(place, batch, error)
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


def _look(place: Workplace, batch: Batch, people: dict[str, Mapping[int, str]]) -> tuple[BatchState | None, bool]:
    """The state that the batch moved to, None when it stays; and whether anything was new."""
    with place.ledger.read() as session:
        (row, task_id), export = tasks.made(session, batch.id), exports.current(session, batch.id)
    cvat = place.cvat(row.cvat)
    if row.cvat not in people:
        people[row.cvat] = {user.id: user.username for user in cvat.users()}
    task = _shown(cvat, batch, task_id)
    point("collecting.shown")
    with place.ledger.write() as session:
        fresh = batches.get(session, batch.id, lock=True)
        if fresh.changed_at != batch.changed_at:
            return None, False  # somebody moved it while we looked: the next look decides
        news = jobs.see(place.ledger, session, fresh, task.jobs, people[row.cvat])
        breakers.record_success(session, row.cvat)
        if fresh.state in _UNTOUCHED:
            fresh.error = fresh.next_step = None
        new, reason = _decide(fresh.state, task, export)
        if new is not None:
            batches.move(place.ledger, session, fresh, new, reason)
            _log.info("%s: %s", batch.id, reason)
        point("collecting.written")
    point("collecting.collected")
    return new, news or new is not None


def _shown(cvat: Cvat, batch: Batch, server_id: int) -> Task:
    try:
        return cvat.task(server_id)
    except CvatError as error:
        error.where = f"{batch.id}, task {server_id} on {cvat.url}"
        if isinstance(error, CvatNotFound):
            error.next_step = "labelyard repair --apply, which makes the task anew"
            if batch.state is BatchState.EXPORTED:
                error.next_step = f"labelyard release {batch.id} if its work is done; else {error.next_step}"
        raise


def _tell(place: Workplace, batch: Batch, error: LabelyardError) -> None:
    """Let `labelyard status` say what keeps us from seeing a task; the next look that succeeds takes it back."""
    with place.ledger.write() as session:
        fresh = batches.get(session, batch.id, lock=True)
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
