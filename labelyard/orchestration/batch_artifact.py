"""The Markdown of the page of one batch: its life, its task with a link, its jobs, its exports, what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from labelyard.annotations.corrections import Correction
from labelyard.domain.objects import base_name, s3_url
from labelyard.domain.states import WITHOUT_A_RUN, BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import batches, exports, history, jobs, preannotations, reviews, tasks
from labelyard.ledger.database import Transaction
from labelyard.ledger.preannotation_tables import Preannotation
from labelyard.ledger.review_progress import reviews_in_progress
from labelyard.ledger.tables import Batch, Export, Job, Object, Task
from labelyard.markdown import advice, code, link, table
from labelyard.operations.foresee import forecast_of_batch, forecast_words
from labelyard.operations.moments import moment, moment_and_zone
from labelyard.operations.review_facts import progress_words, verdict_words
from labelyard.orchestration.batch_late import late_markdown
from labelyard.orchestration.batch_life import life_markdown, runs_markdown
from labelyard.orchestration.batch_quality import quality_markdown
from labelyard.orchestration.page_links import OPERATIONS, PageLinks, dataset_key, job_link
from labelyard.orchestration.quarantine_advice import quarantine_advice

_MOST_OBJECTS = 200


def batch_markdown(
    tx: Transaction, batch_id: str, links: PageLinks, zone: tzinfo, runs: Sequence[Mapping[str, Any]] = ()
) -> tuple[str, str, bool]:
    """Return the page of a batch, its description, and whether the batch has no error (any more).

    Times are those of `zone`. `runs` are flow runs of the batch as Prefect's API returns them.
    """
    batch, task = batches.get(tx, batch_id), tasks.current(tx, batch_id)
    written = exports.of_batch(tx, batch_id)
    members, rows = batches.members(tx, batch_id), jobs.of_batch(tx, batch_id)
    done = sum(row.status is JobStatus.COMPLETED for row in rows)
    parts = [
        _head(batch, sum(member.quarantine_reason is not None for member in members), links, zone),
        _forecast(tx, batch, zone),
        late_markdown(tx, batch, zone),
        _in_review(tx, batch_id, zone),
        _task(task, rows, done, zone),
        _reviews(tx, batch_id, rows, task, zone),
        quality_markdown(tx, batch_id, task.url or "" if task else ""),
        life_markdown(history.of_batch(tx, batch_id), batch, zone),
        _preannotation(preannotations.of_batch(tx, batch_id)),
        _account(written),
        _exports(written, zone),
        _files(members),
        runs_markdown(runs, links, zone),
    ]
    counted = f", {done} of {len(rows)} jobs done" if rows and batch.state is BatchState.ASSIGNED else ""
    return "\n\n".join(filter(None, parts)), f"{batch_id}: {batch.state}{counted}", batch.error is None


def _head(batch: Batch, quarantined: int, links: PageLinks, zone: tzinfo) -> str:
    pages = " · ".join(
        link(name, links.url(key))
        for name, key in (("operations", OPERATIONS), (batch.dataset, dataset_key(batch.dataset)))
    )
    since = f"since {moment_and_zone(batch.changed_at, zone)}"
    left_out = f" ({quarantined:,} of them quarantined)" if quarantined else ""
    lines = [
        f"## {batch.id}: {batch.state}",
        f"{since}, {batch.objects:,} files{left_out}, {_size(batch.bytes)}. Pages: {pages}",
    ]
    if batch.error:
        waits = batch.state is not BatchState.FAILED and batch.state not in WITHOUT_A_RUN
        again = " (it is tried again automatically)" if waits else " (it needs a person)"
        lines.append(f"**Error**{again}: {code(batch.error.splitlines()[0])}")
        lines += [f"next: {advice(line)}" for line in (batch.next_step or "").splitlines()]
    if batch.warning:
        lines.append(f"**Warning**: {code(batch.warning)}")
    return "\n\n".join(lines)


def _forecast(tx: Transaction, batch: Batch, zone: tzinfo) -> str:
    """Return when a batch that people label will be labelled."""
    found = forecast_of_batch(tx, batch, zone) if batch.state is BatchState.ASSIGNED else None
    return f"**Forecast**: {forecast_words(found, zone)}" if found else ""


def _in_review(tx: Transaction, batch_id: str, zone: tzinfo) -> str:
    """Return how far the reviews of a batch are: its state alone does not say that all of it may be labelled."""
    found = reviews_in_progress(tx, batch=batch_id).get(batch_id)
    return f"**In review**: {progress_words(found, zone, code)}" if found else ""


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"


def _task(task: Task | None, rows: Sequence[Job], done: int, zone: tzinfo) -> str:
    if task is None or task.server_id is None:
        return "No task yet."
    url = task.url or ""
    people = table(("job", "frames", "person", "status", "since", ""), (_job(row, url, zone) for row in rows))
    heading = f"### Task {link(str(task.server_id), url)}"
    return f"{heading}\n\n{code(task.name)}: {done} of {len(rows)} jobs are completed\n\n{people}" if rows else heading


def _job(row: Job, task_url: str, zone: tzinfo) -> tuple[str, ...]:
    since = row.assigned_at if row.status is JobStatus.ANNOTATION and row.assigned_at else row.status_since
    reason = [code(row.choice_reason)] if row.choice_reason else []
    notes = ["by hand"] if row.manual else reason
    notes = [*notes, *([f"sent back {row.returned} times"] if row.returned else [])]
    return (
        job_link(row.server_id, task_url),
        f"{row.start_frame}-{row.stop_frame}",
        code(row.assignee or "nobody"),
        row.status.value,
        moment(since, zone),
        ", ".join(notes),
    )


def _reviews(tx: Transaction, batch_id: str, rows: Sequence[Job], task: Task | None, zone: tzinfo) -> str:
    """Return the jobs that are or were reviewed, and what their reviewers said."""
    known = {job: one for job, one in reviews.of_batch(tx, batch_id).items() if one.selected}
    if not known:
        return ""
    url = (task.url or "") if task else ""
    shown = (
        (
            job_link(row.server_id, url),
            code(known[row.server_id].annotator or "-"),
            code(known[row.server_id].reviewer or "-"),
            str(known[row.server_id].round or "-"),
            "needs a person" if known[row.server_id].problem else known[row.server_id].phase.value,
        )
        for row in rows
        if row.server_id in known
    )
    said = [
        *(f"**job {job} needs a person**: {code(one.problem)}" for job, one in known.items() if one.problem),
        *(
            f"{moment(one.at, zone)} job {one.job}: {code(verdict_words(one))}"
            for one in reviews.verdicts(tx, batch_id)
        ),
    ]
    lines = "\n".join(f"- {line}" for line in said)
    people = table(("job", "annotator", "reviewer", "round", "state"), shown)
    return f"### Review\n\n{people}" + (f"\n\n{lines}" if lines else "")


def _files(members: Sequence[Object]) -> str:
    """Return the files of a batch: the quarantined ones first, with the reason; names that CVAT changed are named."""
    ordered = sorted(members, key=lambda row: row.quarantine_reason is None)
    more = f"\n\n… and {len(members) - _MOST_OBJECTS} more" if len(members) > _MOST_OBJECTS else ""
    lines = "\n".join(f"- {_file(row)}" for row in ordered[:_MOST_OBJECTS])
    what_to_do = quarantine_advice(
        (row.quarantine_reason, s3_url(row.bucket, row.key))
        for row in ordered
        if row.quarantine_reason is not None and row.deleted_at is None
    )
    return "\n\n".join(filter(None, (f"### Files\n\n{lines}{more}", what_to_do)))


def _file(row: Object) -> str:
    size = f", {row.width}×{row.height}" if row.width else ""  # noqa: RUF001 - the multiplication sign
    renamed = row.upload_name and row.upload_name != base_name(row.key)
    name = f" as {code(row.upload_name or '')}" if renamed else ""
    deleted = " (deleted or replaced in the bucket)" if row.deleted_at else ""
    reason = f" **quarantined**{deleted}: {code(row.quarantine_reason)}" if row.quarantine_reason else ""
    return f"{code(s3_url(row.bucket, row.key))}{size}{name}{reason}"


def _exports(rows: Sequence[Export], zone: tzinfo) -> str:
    if not rows:
        return ""
    shown = (
        (
            code(row.format),
            str(row.images) if row.account else "",
            str(row.annotations) if row.account else "",
            moment(row.exported_at, zone) if row.exported_at else "",
        )
        for row in rows
        if row.current
    )
    files = "\n".join(f"- {code(s3_url(row.bucket, row.key))}" for row in rows if row.current)
    old = sum(not row.current for row in rows)
    more = f"\n\n{old} older files are kept." if old else ""
    return f"### Exports\n\n{table(('format', 'images', 'annotations', 'exported'), shown)}\n\n{files}{more}"


def _preannotation(row: Preannotation | None) -> str:
    """Return where the predictions come from, why there are not more, and what people made of them."""
    if row is None:
        return ""
    count = f"{row.predicted:,} predictions from {code(row.source)}: {row.state}"
    notes = [f"- {code(note)}" for note in (row.reason, row.warning) if note]
    counts = (row.corrections or {}).get("by_class", {})
    names = [correction.value for correction in Correction]
    rows = [(code(label), *(f"{found[name]:,}" for name in names)) for label, found in counts.items()]
    made = f"What people made of them:\n\n{table(('label', *names), rows)}" if rows else ""
    return "\n\n".join(filter(None, ("### Pre-annotation", count, "\n".join(notes), made)))


def _account(rows: Sequence[Export]) -> str:
    """Return what became of everything that was drawn, for each format of the current export."""
    return "\n\n".join(_account_of(row.format, row.account) for row in reversed(rows) if row.current and row.account)


def _account_of(format_name: str, account: Mapping[str, Any]) -> str:
    """Return one line for each kind of annotation, and one for each reason to leave some out."""
    kinds = "\n".join(
        f"- **{kind}, {sum(labels.values()):,}**: "
        + ", ".join(f"{code(label)} {drawn:,}" for label, drawn in labels.items())
        for kind, labels in account["drawn"].items()
    )
    left_out = "\n".join(
        f"- {one['count']} {one['kind']} {code(one['label'])}, {code(one['reason'])}: {code(one['examples'][0])}"
        for one in account["left_out"]
    )
    rest = f"Left out:\n\n{left_out}" if left_out else "All of it is in the file."
    return f"### Drawn, and in {code(format_name)}\n\n{kinds}\n\n{rest}"
