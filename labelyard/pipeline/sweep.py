"""sweep: what finds objects, batches and events that notifications and runs have missed."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.context import Context
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.publish_events import EventsApi, publish_events, publish_waiting
from labelyard.pipeline.register_objects import SweepResult, sweep_sources


@dataclass(frozen=True)
class Swept:
    """What a sweep of the sources found, and how many events were published."""

    sources: SweepResult
    published: int


def sweep(context: Context, events: EventsApi) -> Swept:
    """List every source, register new objects, close due batches, publish events again for batches without a run.

    Raises PrefectUnreachable.
    """
    published = publish_waiting(context, events)  # before the listing, which may take minutes
    sources = sweep_sources(context)
    close_due(context)
    return Swept(sources, published + publish_events(context, events))
