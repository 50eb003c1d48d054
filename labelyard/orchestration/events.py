"""Prefect's feed of events, read."""

from __future__ import annotations

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.events import Event
from prefect.events.filters import EventFilter

_PAGE = 50  # the most that the server gives


def read_events(client: SyncPrefectClient, wanted: EventFilter) -> Iterator[Event]:
    """All events that the filter lets through, newest first. The server writes each down some seconds after it came."""
    page = client.read_events(wanted, limit=_PAGE)
    yield from page.events
    while page.next_page is not None:
        page = client.read_events_page(str(page.next_page))
        yield from page.events
