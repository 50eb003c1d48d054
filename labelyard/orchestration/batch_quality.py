"""The part of a batch's page about quality: ground truth, replicas, and CVAT's report."""

from __future__ import annotations

from labelyard.domain.quality import Quality
from labelyard.domain.tasks import JobKind
from labelyard.ledger import jobs, quality
from labelyard.ledger.database import Transaction
from labelyard.ledger.quality_tables import QualityJob, QualityReport
from labelyard.markdown import code, table
from labelyard.orchestration.page_links import job_link

_FIGURES = ("job", "person", "frames", "accuracy", "precision", "recall", "conflicts")


def quality_markdown(tx: Transaction, batch_id: str, task_url: str) -> str:
    """Return the part of a batch whose task has a ground-truth job or replicas; empty for any other."""
    rows, report = quality.of_batch(tx, batch_id), quality.report_of(tx, batch_id)
    if not rows:
        return ""
    shown = table(("job", "for", "frames", "person", "status"), (_job(row, task_url) for row in rows))
    people = {row.server_id: row.assignee for row in jobs.of_batch(tx, batch_id)}
    return "\n\n".join(filter(None, ("### Quality", shown, _report(report, people, task_url))))


def _job(row: QualityJob, task_url: str) -> tuple[str, ...]:
    purpose = "ground truth" if row.kind is JobKind.GROUND_TRUTH else f"replica of {row.parent_id}"
    status = "accepted" if row.accepted else row.status.value
    frames = f"{row.start_frame}-{row.stop_frame}" if row.kind is JobKind.REPLICA else "chosen ones"
    merged = ", not needed any more" if row.merged_at else ""
    return job_link(row.server_id, task_url), purpose, frames, code(row.assignee or "nobody"), status + merged


def _report(report: QualityReport | None, people: dict[int, str | None], task_url: str) -> str:
    """Return CVAT's figures on each job, and on all of them."""
    if report is None:
        return ""
    failed = f"CVAT could not make the last report: {code(report.error)}" if report.error else ""
    if report.figures is None:
        waits = "CVAT compares once the ground-truth job is completed and accepted, and the batch is labelled."
        return failed or waits
    jobs_of = {int(job): Quality.of(found) for job, found in report.figures["jobs"].items()}
    lines = [_line(job_link(job, task_url), people.get(job), found) for job, found in sorted(jobs_of.items())]
    total = _line("all", "", Quality.of(report.figures["task"]))
    outdated = "The work has changed since this report." if report.made_for != report.work_updated else ""
    return "\n\n".join(filter(None, (table(_FIGURES, [*lines, total]), outdated, failed)))


def _line(job: str, person: str | None, found: Quality) -> tuple[str, ...]:
    shares = (f"{share:.1%}" for share in (found.accuracy, found.precision, found.recall))
    who = "" if person == "" else code(person or "nobody")
    return job, who, str(found.frames), *shares, str(found.conflicts)
