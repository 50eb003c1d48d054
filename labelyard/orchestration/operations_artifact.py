"""The daily page: what came in, who has how much, what is late, what failed and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from labelyard.domain.states import INGESTING, BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.overview import BatchSummary, Overview
from labelyard.operations.status import server_label, unread_messages
from labelyard.orchestration.markdown import code, link, table

_DAY = timedelta(days=1)
_LATE_RUN = timedelta(hours=1)
_LATE_JOB = timedelta(days=3)


def operations_page(seen: Overview) -> str:
    """The page as Markdown, from what the ledger shows."""
    parts = [
        f"### {seen.at:%A, %d %B %Y, %H:%M} UTC",
        _came_in(seen),
        _people(seen),
        _section("Standing still", ("what", "why", "next"), _standing(seen)),
        _section("Late", ("batch", "what", "since"), _late(seen)),
        _section("Failed", ("batch", "what happened", "next"), _failed(seen)),
        _section("Set aside", ("batch", "object", "why"), _set_aside(seen)),
    ]
    if seen.dead_letters:
        parts.append(f"**{unread_messages(seen.dead_letters)}:** see `labelyard dead-letters`.")
    return "\n\n".join(parts)


def _section(title: str, head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    found = list(rows)
    return f"**{title}**\n\n{table(head, found)}" if found else f"**{title}:** nothing"


def _came_in(seen: Overview) -> str:
    rows = (
        (_batch(line), code(line.dataset), str(line.objects), line.state.value)
        for line in seen.batches
        if seen.at - line.opened_at < _DAY
    )
    states = ", ".join(f"{count} {state}" for state, count in sorted(seen.states.items())) or "no batch yet"
    new = _section("Came in within a day", ("batch", "dataset", "objects", "state"), rows)
    return f"All batches: {states}\n\n{new}"


def _people(seen: Overview) -> str:
    busiest = sorted(seen.open_jobs.items(), key=lambda item: (-item[1], item[0]))
    return _section("Who has how much", ("who", "unfinished jobs"), ((code(who), str(jobs)) for who, jobs in busiest))


def _standing(seen: Overview) -> Iterator[tuple[str, ...]]:
    for dataset, why in seen.paused.items():
        yield f"dataset {code(dataset)} is paused", code(why or "-"), code(f"labelyard resume {dataset}")
    for server, error in seen.failing_servers.items():
        failing = f"{code(server_label(server))} keeps failing and gets no work for now"
        yield failing, code(error), code("labelyard doctor")


def _late(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        if line.state in INGESTING and seen.at - line.changed_at > _LATE_RUN:
            yield _batch(line), f"{line.state}, no task with people yet", _ago(seen.at - line.changed_at)
        if line.state is BatchState.COMPLETED and seen.at - line.changed_at > _LATE_RUN:
            yield _batch(line), "completed, not exported yet", _ago(seen.at - line.changed_at)
        for job in line.jobs:
            waits = seen.at - job.since
            if line.state is BatchState.ASSIGNED and job.status is not JobStatus.COMPLETED and waits > _LATE_JOB:
                yield _batch(line), f"job {job.id} of {code(job.assignee or 'nobody')} is in {job.status}", _ago(waits)


def _failed(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        if line.error:
            yield _batch(line), code(line.error), code(line.next_step or f"labelyard retry {line.id}")
        elif line.warning:
            yield _batch(line), code(line.warning), "-"


def _set_aside(seen: Overview) -> Iterator[tuple[str, ...]]:
    for line in seen.batches:
        for url, reason in line.quarantined.items():
            yield _batch(line), code(url), code(reason)


def _batch(line: BatchSummary) -> str:
    return link(line.id, line.task_url) if line.task_url else code(line.id)


def _ago(span: timedelta) -> str:
    return f"{span.days} days" if span >= 2 * _DAY else f"{span.total_seconds() / 3600:.0f} hours"
