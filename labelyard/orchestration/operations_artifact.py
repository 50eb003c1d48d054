"""The operations artifact: what arrived, who has which work, what is blocked, late, failed or quarantined."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from labelyard.domain.states import INGESTING, BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.overview import BatchSummary, Overview
from labelyard.markdown import code, link, table
from labelyard.operations.status import next_run, quarantined, server_label, some, unfinished_upload, unread_messages

_DAY = timedelta(days=1)
_LATE_RUN = timedelta(hours=1)
_LATE_JOB = timedelta(days=3)
_REASONS_SHOWN, _BATCHES_SHOWN, _EXAMPLES = 20, 5, 3


def operations_markdown(seen: Overview) -> str:
    """Return the artifact as Markdown."""
    parts = [
        f"### {seen.at:%A, %d %B %Y, %H:%M} UTC",
        _arrived(seen),
        _people(seen),
        _section("Blocked", ("what", "reason", "next"), _blocked(seen)),
        _section("Late", ("batch", "what", "for"), _late(seen)),
        _section("Failed", ("batch", "error", "next"), _failed(seen)),
        _section("Tried again automatically", ("batch", "error", "when"), _tried_again(seen)),
        _section("Waiting for CVAT", ("batch", "what", "asked again"), _waiting_for_cvat(seen)),
        _section("Quarantined", ("objects", "batches", "reason", "such as"), _quarantined(seen)),
    ]
    if seen.dead_letters:
        parts.append(f"**{unread_messages(seen.dead_letters)}:** see `labelyard dead-letters`.")
    return "\n\n".join(parts)


def _section(title: str, head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    found = list(rows)
    return f"**{title}**\n\n{table(head, found)}" if found else f"**{title}:** nothing"


def _arrived(seen: Overview) -> str:
    rows = (
        (_batch(line), code(line.dataset), str(line.objects), line.state.value)
        for line in seen.batches
        if seen.at - line.opened_at < _DAY
    )
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items())) or "no batch yet"
    new = _section("Arrived within a day", ("batch", "dataset", "objects", "state"), rows)
    return f"All batches: {states}\n\n{new}"


def _people(seen: Overview) -> str:
    busiest = sorted(seen.open_jobs.items(), key=lambda item: (-item[1], item[0]))
    rows = ((code(annotator), str(jobs)) for annotator, jobs in busiest)
    return _section("Work per annotator", ("annotator", "unfinished jobs"), rows)


def _blocked(seen: Overview) -> Iterator[tuple[str, ...]]:
    for dataset, reason in seen.paused.items():
        yield f"dataset {code(dataset)} is paused", code(reason or "-"), code(f"labelyard resume {dataset}")
    for server, error in seen.failing_servers.items():
        yield (
            f"{code(server_label(server))} keeps failing and gets no work for now",
            code(error),
            code("labelyard doctor"),
        )


def _late(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        unchanged = seen.at - line.changed_at
        if line.state in INGESTING and unchanged > _LATE_RUN:
            yield _batch(line), f"{line.state}, jobs not assigned yet", _duration(unchanged)
        if line.state is BatchState.COMPLETED and unchanged > _LATE_RUN:
            yield _batch(line), "completed, not exported yet", _duration(unchanged)
        if line.state is BatchState.ASSIGNED:
            yield from _late_jobs(seen, line)


def _late_jobs(seen: Overview, line: BatchSummary) -> Iterator[tuple[str, ...]]:
    for job in line.jobs:
        unchanged = seen.at - job.since
        if job.status is not JobStatus.COMPLETED and unchanged > _LATE_JOB:
            what = f"job {job.id} of {code(job.assignee or 'nobody')} is in {job.status}"
            yield _batch(line), what, _duration(unchanged)


def _failed(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        if line.error and line.state is BatchState.FAILED:
            yield _batch(line), code(line.error), code(line.next_step or f"labelyard retry {line.id}")
        elif line.warning:
            yield _batch(line), code(line.warning), "-"


def _tried_again(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        if line.error and line.state is not BatchState.FAILED:
            yield _batch(line), code(line.error), next_run(line)


def _waiting_for_cvat(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        if line.progress is not None and not line.error:
            yield _batch(line), code(unfinished_upload(line)), next_run(line)


def _quarantined(seen: Overview) -> Iterator[tuple[str, ...]]:
    for group in quarantined(seen)[:_REASONS_SHOWN]:
        examples = " ".join(code(url) for url in group.urls[:_EXAMPLES])
        yield str(len(group.urls)), code(some(group.batches, _BATCHES_SHOWN)), code(group.reason), examples


def _batch(line: BatchSummary) -> str:
    return link(line.id, line.task_url) if line.task_url else code(line.id)


def _duration(span: timedelta) -> str:
    return f"{span.days} days" if span >= 2 * _DAY else f"{span.total_seconds() / 3600:.0f} hours"
