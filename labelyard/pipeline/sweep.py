"""sweep: what finds objects, batches, events and CVAT tasks that notifications and runs have missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelyard.context import Context
from labelyard.errors import StoreUnreachable
from labelyard.ledger.tables import Dataset
from labelyard.pipeline.close_batches import close_due, close_for_ingest
from labelyard.pipeline.leftover_tasks import delete_late_tasks
from labelyard.pipeline.publish_events import EventsApi, publish_events, publish_waiting
from labelyard.pipeline.register_objects import SweepResult, sweep_sources


@dataclass(frozen=True)
class Swept:
    """What a sweep of the sources found, and how many events were published."""

    sources: SweepResult
    published: int


def sweep(context: Context, events: EventsApi, dataset: str | None = None) -> Swept:
    """List the sources, register new objects, close due batches, publish events again for batches without a run.

    With a dataset only its sources are listed, without one those of all datasets that have no schedule of their own.
    Tasks that CVAT created too late are deleted.

    Raises PrefectUnreachable, and NotFound for an unknown dataset.
    """
    published = publish_waiting(context, events)  # before the listing, which may take minutes
    sources = sweep_sources(context, dataset)
    close_due(context)
    published += publish_events(context, events)
    delete_late_tasks(context)  # last: a CVAT that does not respond must not delay the others
    return Swept(sources, published)


@dataclass(frozen=True)
class Ingested:
    """What was closed and sent: the batches with the number of their objects.

    A batch that was full while the sources were listed is not among them: it was sent then. `failed` are the sources
    that cannot be read until a person acts, `needs_person` those that were readable before.
    """

    new: int
    batches: Mapping[str, int]
    failed: Sequence[str]
    is_paused: bool
    needs_person: Sequence[str] = ()


def ingest_dataset(context: Context, events: EventsApi, dataset: str) -> Ingested:
    """Register what has arrived in a dataset's sources, close its open batches and publish their events.

    A paused dataset closes its batches, and sends them when it is resumed. A source that a person must make readable
    again stops only itself.

    Raises StoreUnreachable, before anything is closed, if the sources could not be listed because the store is
    unavailable; NotFound; PrefectUnreachable.
    """
    sources = sweep_sources(context, dataset)
    if sources.unavailable:
        raise StoreUnreachable(sources.unavailable[0], next_step="labelyard doctor")
    closed = close_for_ingest(context, dataset)
    publish_events(context, events)
    with context.ledger.read_only() as tx:
        is_paused = tx.get_one(Dataset, dataset).paused_at is not None
    new = sum(count.new for count in sources.registered.values())
    sent = {batch.id: batch.objects for batch in closed}
    return Ingested(new, sent, sources.failed, is_paused, sources.needs_person)
