"""repair: ledger, bucket and CVAT side by side, and what mends their differences."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from labelyard.cvat import Cvat
from labelyard.errors import CvatDisagrees, CvatHidden, CvatNotFound, LabelyardError
from labelyard.ledger import batches, datasets, exports, jobs, tasks
from labelyard.ledger.tables import Batch, Export
from labelyard.ledger.tables import Task as TaskRow
from labelyard.model import Task, s3_url
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


def apply(place: Workplace, plan: Sequence[Finding]) -> list[tuple[Finding, LabelyardError]]:
    """Mend what can be mended by itself; returns what could not be mended now, and why. One stops only itself."""
    left = []
    for finding in plan:
        try:
            _mend(place, finding)
            _log.info("%s: %s: %s", finding.where, finding.what, finding.mend)
        except LabelyardError as error:
            left.append((finding, error))
    return left


def our_tasks(cvat: Cvat, spec: DatasetSpec) -> Iterator[Task]:
    """The tasks of our account whose names are of the form that labelyard gives a dataset's."""
    me, form = cvat.whoami().id, owned_name(spec.name)
    return (task for task in cvat.tasks(name=f"{spec.name}-") if task.owner == me and form.fullmatch(task.name))


def _survey(place: Workplace, spec: DatasetSpec) -> list[Finding]:
    with place.ledger.read() as session:
        rows = [_seen(session, row, batch) for row, batch in tasks.of_dataset(session, spec.name)]
    servers = sorted({spec.cvat, *(seen.row.cvat for seen in rows)})
    return [finding for name in servers for finding in _compare(place, spec, name, rows)]


@dataclass(frozen=True)
class _Seen:
    """What the ledger says of a task: its row, its batch, and the export that has to be in the bucket."""

    row: TaskRow
    batch: Batch
    export: Export | None


def _seen(session: Session, row: TaskRow, batch: Batch) -> _Seen:
    return _Seen(row, batch, exports.current(session, batch.id) if batch.state is BatchState.EXPORTED else None)


def _compare(place: Workplace, spec: DatasetSpec, server: str, rows: Sequence[_Seen]) -> Iterator[Finding]:
    here = [seen for seen in rows if seen.row.cvat == server]
    given_up = {s.row.server_id or 0: s.batch.id for s in here if s.row.state is TaskState.ABANDONED}
    known = [_known(place, seen) for seen in here if seen.row.state is not TaskState.ABANDONED]
    cvat = place.cvat(server)
    there = {task.id: task for task in our_tasks(cvat, spec)}
    hidden = set()
    for one in known:
        if one.task_id not in there and not one.ended:
            try:  # a list by owner and name lacks what was renamed, or made by another account
                there[one.task_id] = cvat.task(one.task_id)
            except CvatHidden as error:
                hidden.add(one.task_id)
                yield Finding(f"{one.batch_id}, task {one.task_id}", error.what, Mend.TELL, one.batch_id)
            except CvatNotFound:
                continue
    yield from findings([one for one in known if one.task_id not in hidden], given_up, there.values())


def _known(place: Workplace, seen: _Seen) -> Known:
    row, batch, export = seen.row, seen.batch, seen.export
    there = {s3_url(export.bucket, export.key): place.store.exists(export.bucket, export.key)} if export else {}
    assigned, ended = batch.state is BatchState.ASSIGNED, batch.state not in _MADE
    return Known(batch.id, row.server_id or 0, row.name, assigned, there, ended)


def _mend(place: Workplace, finding: Finding) -> None:
    batch_id, task_id = finding.batch_id or "", finding.task_id or 0
    if finding.mend is Mend.DELETE_TASK:
        _delete_empty(place.cvat(_cvat_of(place, batch_id)), task_id)
    elif finding.mend is Mend.MAKE_ANEW:
        _refuse_seen(place.cvat(_cvat_of(place, batch_id)), task_id)
        with claimed(place, batch_id, _MADE) as work:
            _make_anew(work, task_id, finding.what)
    elif finding.mend is Mend.EXPORT_AGAIN:
        with place.ledger.write() as session:
            batches.export_again(place.ledger, session, batch_id, finding.what)
    elif finding.mend is Mend.ASSIGN:
        with claimed(place, batch_id, (BatchState.ASSIGNED,)) as work:
            _assign_free(work)


def _delete_empty(cvat: Cvat, task_id: int) -> None:
    task = cvat.task(task_id)
    if task.size or task.received:
        raise CvatDisagrees("it was filled meanwhile", where=f"task {task_id}", next_step="labelyard repair")
    cvat.delete_task(task_id)


def _refuse_seen(cvat: Cvat, task_id: int) -> None:
    with suppress(CvatNotFound):
        cvat.task(task_id)
        raise CvatDisagrees("it is there again", where=f"task {task_id}", next_step="labelyard repair")


def _make_anew(work: Work, task_id: int, reason: str) -> None:
    with work.write() as session:
        row = tasks.current(session, work.batch_id)
        if row is not None and row.server_id == task_id:
            tasks.make_anew(work.ledger, session, row.id, reason)


def _assign_free(work: Work) -> None:
    names = {user.id: user.username for user in work.cvat.users()}
    with work.ledger.read() as session:
        _, task_id = tasks.made(session, work.batch_id)
    seen = work.cvat.jobs(task_id)
    with work.write() as session:
        jobs.see(work.ledger, session, batches.get(session, work.batch_id, lock=True), seen, names)
        jobs.choose_anew(session, work.batch_id)
    assign_jobs(work)


def _cvat_of(place: Workplace, batch_id: str) -> str:
    with place.ledger.read() as session:
        return batches.get(session, batch_id).cvat or "default"
