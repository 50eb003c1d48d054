"""The status of every batch, and in words what needs a person and the next command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from labelyard.domain.quarantine import what_ends_it
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.escaping import printable
from labelyard.ledger import Ledger, breakers
from labelyard.ledger.overview import BatchSummary, Overview, overview
from labelyard.operations.moments import time_of_day
from labelyard.operations.review_facts import progress_words

_NUMBERS = re.compile(r"[0-9]+")
_LINES = "\n"
_EXAMPLES = 3
_REASONS_SHOWN = 10
_BATCHES_SHOWN = 5


def read_status(ledger: Ledger, dataset: str | None = None) -> Overview:
    """Return the overview of one dataset or of all."""
    with ledger.read_only() as tx:
        return overview(tx, dataset=dataset)


def jobs_summary(batch: BatchSummary, zone: tzinfo = UTC) -> str:
    """Return how many jobs are completed and who has them, and how far their reviews are; or "-"."""
    completed = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
    in_review = f"; in review: {progress_words(batch.review, zone)}" if batch.review else ""
    assignees = ", ".join(sorted({job.assignee or "nobody" for job in batch.jobs}))
    return f"{completed}/{len(batch.jobs)} done: {assignees}{in_review}" if batch.jobs else "-"


def state_and_activity(batch: BatchSummary) -> str:
    """Return the state of a batch, and whether a run works on it or it waits for CVAT."""
    if batch.progress is not None:
        return f"{batch.state} (waiting for CVAT)"
    return f"{batch.state} (working)" if batch.leased_by else str(batch.state)


def next_run(batch: BatchSummary, zone: tzinfo = UTC) -> str:
    """Return when a run works on a batch that waits for one."""
    if batch.leased_by:
        return "now"
    return f"at {time_of_day(batch.not_before, zone)}" if batch.not_before else "as soon as Prefect starts a run"


@dataclass(frozen=True)
class Quarantined:
    """Objects that are quarantined for the same reason, but for numbers in it: their addresses and batches."""

    reason: str
    urls: Sequence[str]
    batches: Sequence[str]


def quarantined(seen: Overview) -> list[Quarantined]:
    """Return the quarantined objects, those with the same reason together, the most frequent reason first."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for url, reason, batch in _each_quarantined(seen):
        found.setdefault(_NUMBERS.sub("#", reason.replace(url, "")), []).append((url, reason, batch))
    groups = [
        Quarantined(members[0][1], [url for url, _, _ in members], _distinct(batch for _, _, batch in members if batch))
        for members in found.values()
    ]
    return sorted(groups, key=lambda group: -len(group.urls))


def _each_quarantined(seen: Overview) -> Iterator[tuple[str, str, str]]:
    for batch in seen.batches:
        present = (url for url in batch.quarantined if url not in batch.not_in_store)
        yield from ((url, printable(batch.quarantined[url]), batch.id) for url in present)
    yield from ((url, printable(reason), "") for url, reason in seen.quarantined.items())


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def problems(seen: Overview, *, every: bool = False, zone: tzinfo = UTC) -> Iterator[str]:
    """Return everything that needs a person: first of each batch, then in general.

    Quarantined objects are grouped by reason, with some examples, unless `every` one is wanted.
    """
    for batch in seen.batches:
        yield from batch_problems(batch, zone)
    yield from (_each_object(seen) if every else quarantined_summaries(quarantined(seen)))
    yield from blockers(seen)
    if seen.dead_letters:
        yield f"{unread_messages(seen.dead_letters)}: labelyard dead-letters"


def batch_problems(batch: BatchSummary, zone: tzinfo = UTC) -> Iterator[str]:
    """Return what went wrong with a batch and what happens next, what it waits for, and its warning."""
    if batch.error:
        retried = "" if batch.state is BatchState.FAILED else f"; tried again {next_run(batch, zone)}"
        next_step = f"\n  next: {batch.next_step}" if batch.next_step and not batch.leased_by else ""
        yield f"{batch.id}: {printable(batch.error.rstrip('.'), keep=_LINES)}{retried}{next_step}"
    elif batch.progress is not None:
        yield f"{batch.id}: {unfinished_upload(batch, zone)}; asked again {next_run(batch, zone)}"
    if batch.warning:
        yield f"{batch.id}: {printable(batch.warning, keep=_LINES)}"
    if batch.preannotation:
        yield f"{batch.id}: {printable(batch.preannotation)}"


def unfinished_upload(batch: BatchSummary, zone: tzinfo = UTC) -> str:
    """Return what CVAT says about the upload of a batch, and since when."""
    since = f" since {time_of_day(batch.progress_at, zone)}" if batch.progress_at else ""
    return f"task {batch.task_id} has no frames yet; CVAT says{since}: {printable(batch.progress or '')}"


def quarantined_summaries(groups: Sequence[Quarantined]) -> Iterator[str]:
    """Return the most frequent reasons of quarantined objects, each with some addresses and the next command."""
    for group in groups[:_REASONS_SHOWN]:
        where = f" in {some(group.batches, _BATCHES_SHOWN)}" if group.batches else ""
        such_as = ", such as" if len(group.urls) > _EXAMPLES else ":"
        yield (
            f"{_count(group.urls)} quarantined{where}: {group.reason}{such_as} {', '.join(group.urls[:_EXAMPLES])}"
            f"\n  next: {what_ends_it(group.reason, group.urls[0])}"
        )
    more = f"{len(groups) - _REASONS_SHOWN} more reasons; " if len(groups) > _REASONS_SHOWN else ""
    if more or any(len(group.urls) > _EXAMPLES for group in groups):
        total = sum(len(group.urls) for group in groups)
        yield f"{more}each of the {total} quarantined files: labelyard status --all"


def _each_object(seen: Overview) -> Iterator[str]:
    for url, reason, batch in _each_quarantined(seen):
        next_step = "" if batch else f"\n  next: {what_ends_it(reason, url)}"
        yield f"{batch + ': ' if batch else ''}{url} quarantined: {reason}{next_step}"


def _count(urls: Sequence[str]) -> str:
    return f"{len(urls)} file{'' if len(urls) == 1 else 's'}"


def some(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many there are beside them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def blockers(seen: Overview) -> Iterator[str]:
    """Return what stops more than one batch: unavailable servers and paused datasets."""
    yield from (f"{line}\n  next: labelyard doctor" for line in unavailable_servers(seen.failing_servers))
    for dataset, reason in seen.paused.items():
        yield f"{dataset} is paused{': ' + reason if reason else ''}\n  next: labelyard resume {dataset}"


def unavailable_servers(errors: Mapping[str, str]) -> Iterator[str]:
    """Return one line for each server that gets no work for now; `errors` maps its name to its last error."""
    for server, error in errors.items():
        label = breakers.server_label(server)
        yield f"{label} keeps failing and gets no work for now; it is asked each minute: {error}"


def unread_messages(count: int) -> str:
    """Return how many messages wait as dead letters, in words."""
    return f"{count} message{'' if count == 1 else 's'} could not be parsed or registered"
