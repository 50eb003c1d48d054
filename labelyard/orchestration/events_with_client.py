"""Prefect's events, through its client: emit one about a batch, read those that match a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import Event, emit_event
from prefect.events.filters import EventFilter

from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.events_over_rest import resources

_PAGE = 50  # Prefect's maximum


def emit_batch_event(name: str, batch: str, dataset: str, **payload: Any) -> None:
    """Emit the event `labelyard.<name>` about a batch. Prefect relates it to the current run.

    No automation may depend on these events: `emit_event` loses them while the server is down. Events that start runs
    go through the outbox (`events_over_rest`).
    """
    resource, related = resources(batch, dataset)
    with best_effort(f"emitting the event {name} of {batch}"):
        emit_event(event=f"labelyard.{name}", resource=resource, related=related, payload={"batch": batch, **payload})


def read_events(client: SyncPrefectClient, wanted: EventFilter) -> Iterator[Event]:
    """Return all events that match the filter, newest first. The server stores an event seconds after it arrived."""
    page = client.read_events(wanted, limit=_PAGE)
    yield from page.events
    while page.next_page is not None:
        page = client.read_events_page(str(page.next_page))
        yield from page.events
