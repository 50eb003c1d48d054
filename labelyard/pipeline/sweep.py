"""sweep: what finds objects, batches, events and CVAT tasks that notifications and runs have missed."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.context import Context
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.leftover_tasks import delete_late_tasks
from labelyard.pipeline.publish_events import EventsApi, publish_events, publish_waiting
from labelyard.pipeline.register_objects import SweepResult, sweep_sources


@dataclass(frozen=True)
class Swept:
    """What a sweep of the sources found, and how many events were published."""

    sources: SweepResult
    published: int


def sweep(context: Context, events: EventsApi) -> Swept:
    """List every source, register new objects, close due batches, publish events again for batches without a run.

    Tasks that CVAT created too late are deleted.

    Raises PrefectUnreachable.
    """
    published = publish_waiting(context, events)  # before the listing, which may take minutes
    sources = sweep_sources(context)
    close_due(context)
    published += publish_events(context, events)
    delete_late_tasks(context)  # last: a CVAT that does not respond must not delay the others
    return Swept(sources, published)
