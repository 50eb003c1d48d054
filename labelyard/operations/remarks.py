"""What an overview says in words: what goes wrong, and the next command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelyard.domain.tasks import JobStatus
from labelyard.ledger.breakers import STORE
from labelyard.ledger.overview import BatchSummary, Overview


def server_label(server: str) -> str:
    """Return the name of a server for people: `CVAT default`, or `object storage`."""
    return server if server == STORE else f"CVAT {server}"


def unread_messages(count: int) -> str:
    """Return how many dead letters wait, in words."""
    return f"{count} message{'' if count == 1 else 's'} could not be read"


def jobs_told(batch: BatchSummary) -> str:
    """How many jobs are done, and who has them."""
    done = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
    people = ", ".join(sorted({job.assignee or "nobody" for job in batch.jobs}))
    return f"{done}/{len(batch.jobs)} done: {people}" if batch.jobs else "-"


def remarks(batch: BatchSummary) -> Iterator[str]:
    """What a person should know of a batch."""
    if batch.error:
        when = f", tried again after {batch.not_before:%H:%M:%S} UTC" if batch.not_before else ""
        yield f"{batch.id}: {batch.error.rstrip('.')}{when}\n  next: {batch.next_step}"
    if batch.warning:
        yield f"{batch.id}: {batch.warning}"
    for url, reason in batch.quarantined.items():
        yield f"{batch.id}: {url} set aside: {reason}"


def left_alone(away: Mapping[str, str]) -> Iterator[str]:
    """The servers that are left alone, with what they said."""
    for server, error in away.items():
        yield f"{server_label(server)} keeps failing and gets no work for now; it is asked each minute: {error}"


def hindrances(seen: Overview) -> Iterator[str]:
    """What keeps more than one batch from going on."""
    yield from (f"{line}\n  next: labelyard doctor" for line in left_alone(seen.failing_servers))
    for dataset, reason in seen.paused.items():
        yield f"{dataset} is paused{': ' + reason if reason else ''}\n  next: labelyard resume {dataset}"


def general_remarks(seen: Overview) -> Iterator[str]:
    """What concerns no single batch."""
    yield from hindrances(seen)
    for url, reason in seen.quarantined.items():
        yield f"{url} set aside: {reason}\n  next: labelyard restore {url}"
    if seen.dead_letters:
        yield f"{unread_messages(seen.dead_letters)}: labelyard dead-letters"
