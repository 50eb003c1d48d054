"""The status of every batch, and in words what needs a person and the next command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Ledger, breakers
from labelyard.ledger.overview import BatchSummary, Overview, overview


def read_status(ledger: Ledger, dataset: str | None = None) -> Overview:
    """Return the overview of one dataset or of all."""
    with ledger.read_only() as tx:
        return overview(tx, dataset=dataset)


def jobs_summary(batch: BatchSummary) -> str:
    """Return how many jobs are completed and who has them, or "-"."""
    completed = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
    assignees = ", ".join(sorted({job.assignee or "nobody" for job in batch.jobs}))
    return f"{completed}/{len(batch.jobs)} done: {assignees}" if batch.jobs else "-"


def state_with_lease(batch: BatchSummary) -> str:
    """Return the state of a batch, and whether a run works on it."""
    return f"{batch.state} (working)" if batch.leased_by else str(batch.state)


def problems(seen: Overview) -> Iterator[str]:
    """Return everything that needs a person: first of each batch, then in general."""
    for batch in seen.batches:
        yield from batch_problems(batch)
        yield from quarantined_objects(batch)
    yield from blockers(seen)
    for url, reason in seen.quarantined.items():
        yield f"{url} quarantined: {reason}\n  next: labelyard restore {url}"
    if seen.dead_letters:
        yield f"{unread_messages(seen.dead_letters)}: labelyard dead-letters"


def batch_problems(batch: BatchSummary) -> Iterator[str]:
    """Return the error and the warning of a batch, if it has any."""
    if batch.error:
        when = f", tried again after {batch.not_before:%H:%M:%S} UTC" if batch.not_before else ""
        yield f"{batch.id}: {batch.error.rstrip('.')}{when}\n  next: {batch.next_step}"
    if batch.warning:
        yield f"{batch.id}: {batch.warning}"


def quarantined_objects(batch: BatchSummary) -> Iterator[str]:
    """Return one line for each quarantined object of a batch."""
    for url, reason in batch.quarantined.items():
        yield f"{batch.id}: {url} quarantined: {reason}"


def blockers(seen: Overview) -> Iterator[str]:
    """Return what stops more than one batch: unavailable servers and paused datasets."""
    yield from (f"{line}\n  next: labelyard doctor" for line in unavailable_servers(seen.failing_servers))
    for dataset, reason in seen.paused.items():
        yield f"{dataset} is paused{': ' + reason if reason else ''}\n  next: labelyard resume {dataset}"


def unavailable_servers(errors: Mapping[str, str]) -> Iterator[str]:
    """Return one line for each server that gets no work for now; `errors` maps its name to its last error."""
    for server, error in errors.items():
        yield f"{server_label(server)} keeps failing and gets no work for now; it is asked each minute: {error}"


def server_label(server: str) -> str:
    """Return the name of a server for people: "object storage" or "CVAT NAME"."""
    return server if server == breakers.STORE else f"CVAT {server}"


def unread_messages(count: int) -> str:
    """Return how many messages wait as dead letters, in words."""
    return f"{count} message{'' if count == 1 else 's'} could not be parsed or registered"
