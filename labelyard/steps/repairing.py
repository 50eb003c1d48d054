"""repair: ledger, bucket and CVAT side by side, and what mends their differences."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from labelyard.cvat import Cvat
from labelyard.ledger import batches, datasets, exports, jobs, tasks
from labelyard.ledger.tables import Task as TaskRow
from labelyard.model import Task
from labelyard.plan.lifecycle import WITH_PEOPLE, BatchState, TaskState
from labelyard.plan.repair import Finding, Known, Mend, findings, owned_name
from labelyard.spec import DatasetSpec
from labelyard.steps.assign_jobs import assign_jobs
from labelyard.steps.claiming import Work, claimed
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)
_MADE = (BatchState.CREATED, BatchState.UPLOADED, BatchState.READY, *WITH_PEOPLE)


def survey(place: Workplace, dataset: str | None = None) -> list[Finding]:
    """Every difference, of one dataset or of all; changes nothing. Raises CvatErrors and StoreErrors."""
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session) if dataset in (None, spec.name)]
    return [finding for spec in specs for finding in _survey(place, spec)]


def apply(place: Workplace, plan: Sequence[Finding]) -> int:
    """Mend what can be mended by itself; returns how many findings that were."""
    done = [finding for finding in plan if finding.mend is not Mend.TELL]
    for finding in done:
        _mend(place, finding)
        _log.info("%s: %s: %s", finding.where, finding.what, finding.mend)
    return len(done)


def our_tasks(cvat: Cvat, spec: DatasetSpec) -> Iterator[Task]:
    """The tasks of our account whose names are of the form that labelyard gives a dataset's."""
    me, form = cvat.whoami().id, owned_name(spec.name)
    return (task for task in cvat.tasks(name=f"{spec.name}-") if task.owner == me and form.fullmatch(task.name))


def _survey(place: Workplace, spec: DatasetSpec) -> list[Finding]:
    with place.ledger.read() as session:
        rows = [batch for batch in batches.in_states(session, _MADE) if batch.dataset == spec.name]
        known = [one for batch in rows for one in _known(place, session, batch.id, batch.state)]
        given_up = select(TaskRow.server_id, TaskRow.batch_id).where(TaskRow.state == TaskState.ABANDONED)
        abandoned = {number: batch for number, batch in session.execute(given_up) if number is not None}
    return list(findings(known, abandoned, our_tasks(place.cvat(spec.cvat), spec)))


def _known(place: Workplace, session: Session, batch_id: str, state: BatchState) -> Iterator[Known]:
    row, export = tasks.current(session, batch_id), exports.current(session, batch_id)
    if row is None or row.server_id is None:
        return
    current = [export] if export is not None and state is BatchState.EXPORTED else []
    there = {f"s3://{one.bucket}/{one.key}": place.store.exists(one.bucket, one.key) for one in current}
    yield Known(batch_id, row.server_id, row.name, state is BatchState.ASSIGNED, there)


def _mend(place: Workplace, finding: Finding) -> None:
    batch_id = finding.batch_id or ""
    if finding.mend is Mend.DELETE_TASK and finding.task_id is not None:
        place.cvat(_cvat_of(place, batch_id)).delete_task(finding.task_id)
    elif finding.mend is Mend.MAKE_ANEW:
        with place.ledger.write() as session:
            row, _ = tasks.made(session, batch_id)
            tasks.abandon(place.ledger, session, row.id, finding.what)
    elif finding.mend is Mend.EXPORT_AGAIN:
        with place.ledger.write() as session:
            batches.export_again(place.ledger, session, batch_id, finding.what)
    elif finding.mend is Mend.ASSIGN:
        with claimed(place, batch_id, (BatchState.ASSIGNED,)) as work:
            _assign_free(work)


def _assign_free(work: Work) -> None:
    names = {user.id: user.username for user in work.cvat.users()}
    with work.ledger.read() as session:
        _, task_id = tasks.made(session, work.batch_id)
    seen = work.cvat.jobs(task_id)
    with work.ledger.write() as session:
        jobs.see(work.ledger, session, batches.get(session, work.batch_id, lock=True), seen, names)
        jobs.choose_anew(session, work.batch_id)
    assign_jobs(work)


def _cvat_of(place: Workplace, batch_id: str) -> str:
    with place.ledger.read() as session:
        return batches.get(session, batch_id).cvat or "default"
