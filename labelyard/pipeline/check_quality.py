"""check_quality: let CVAT merge completed replicas, and compare finished work with ground truth."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from labelyard.context import Context
from labelyard.domain.quality import finished_parents
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import Job, JobStatus
from labelyard.errors import (
    CVAT_UNAVAILABLE,
    CvatCrashed,
    CvatRefused,
    CvatTimeout,
    CvatUnauthorized,
    LabelyardError,
    LeaseTaken,
)
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, breakers, quality, tasks
from labelyard.ledger.quality_tables import QualityReport
from labelyard.ledger.tables import Batch
from labelyard.pipeline.acquire_batch import BatchLease, acquire_batch

_log = logging.getLogger(__name__)
_REPORTS_AT_ONCE = 20
"""Reports per call: CVAT takes some seconds for each, and a call must end before the next is scheduled."""
_DEADLINE = 60.0
"""How long a call waits for a merge or a report, in seconds: what takes longer is found by the next call."""
_SERVER_ERRORS = (*CVAT_UNAVAILABLE, CvatTimeout)
"""After these a server is not asked again in this call: its other requests would wait as long."""


@dataclass
class Checked:
    """Batches of which replicas were merged, batches with a new report, and the error of each one that failed."""

    merged: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def check_quality(context: Context) -> Checked:
    """Merge completed replicas and make the reports that are due. A batch that fails stops only itself."""
    checked = Checked()
    with context.ledger.read_only() as tx:
        unavailable = breakers.open_servers(tx, tx.now)
        replicated = [batches.get(tx, one) for one in quality.with_finished_replicas(tx)]
        due = quality.without_report(tx, _REPORTS_AT_ONCE)
    for batch in replicated:
        if batch.cvat not in unavailable:
            _merge_batch(context, batch, unavailable, checked)
    for report in due:
        _make_report(context, report, unavailable, checked)
    return checked


# --- replicas ---------------------------------------------------------------------------------------------------------


def _merge_batch(context: Context, batch: Batch, unavailable: set[str], checked: Checked) -> None:
    try:
        with acquire_batch(context, batch.id, (BatchState.ASSIGNED,), manual=True, uses_store=False) as lease:
            if _merge_replicas(lease):
                checked.merged.append(batch.id)
    except LeaseTaken:
        return  # the next call
    except LabelyardError as error:
        _log.warning("%s: merging replicas: %s", batch.id, error)
        checked.failed[batch.id] = str(error)
        if isinstance(error, _SERVER_ERRORS):
            unavailable.add(batch.cvat or "")


def _merge_replicas(lease: BatchLease) -> bool:
    """Merge the replicas of each job that are all completed, once; return whether one was merged.

    A merge replaces what its job holds and completes it: a job that holds anything is left to people.
    """
    with lease.ledger.read_only() as tx:
        _, task_id = tasks.require_current(tx, lease.batch_id)
        merged = {row.parent_id for row in quality.of_batch(tx, lease.batch_id) if row.merged_at is not None}
    task = lease.cvat.task(task_id)
    done = False
    for job in finished_parents(task):
        if job.id not in merged:
            how = _merge(lease, job)
            with lease.transaction() as tx:
                quality.mark_merged(tx, batches.get(tx, lease.batch_id, lock=True), job.id, how)
            _log.info("%s: the replicas of job %d %s", lease.batch_id, job.id, how)
            done = True
    return done


def _merge(lease: BatchLease, job: Job) -> str:
    """Merge the replicas of a job if that loses nothing; return what was done."""
    if job.status is JobStatus.COMPLETED:
        return "are merged: the job is completed"
    held = lease.cvat.annotations(job.id)
    if held.shapes or held.tracks or held.tags:
        return "are not merged: somebody has drawn in the job itself"
    lease.check()
    failpoint("check_quality.merging")
    try:
        lease.cvat.merge_replicas(job.id, deadline=_DEADLINE)
    except CvatUnauthorized:
        raise
    except CvatRefused as error:
        return f"are not merged: {error.what}"
    failpoint("check_quality.merged")
    return "are merged"


# --- reports ----------------------------------------------------------------------------------------------------------


def _make_report(context: Context, due: QualityReport, unavailable: set[str], checked: Checked) -> None:
    """Make a report and record it. It only reads what people drew; one that is made twice changes nothing."""
    with context.ledger.read_only() as tx:
        row, task_id = tasks.require_current(tx, due.batch_id)
    if row.cvat in unavailable:
        return
    try:
        report = context.cvat(row.cvat).quality_report(task_id, deadline=_DEADLINE)
    except LabelyardError as error:
        _log.warning("%s: quality report: %s", due.batch_id, error)
        checked.failed[due.batch_id] = str(error)
        if isinstance(error, _SERVER_ERRORS):
            unavailable.add(row.cvat)
        elif isinstance(error, CvatCrashed) or not error.retry:
            with context.ledger.transaction() as tx:
                quality.record_no_report(tx, batches.get(tx, due.batch_id, lock=True), due.work_updated, error.happened)
        return
    failpoint("check_quality.reported")
    with context.ledger.transaction() as tx:
        quality.record_report(tx, batches.get(tx, due.batch_id, lock=True), due.work_updated, report)
    checked.reports.append(due.batch_id)
