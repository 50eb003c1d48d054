"""What Prefect failed to do for labelyard's automations: it tries none of it again, and only an event tells of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import Event
from prefect.events.filters import EventFilter, EventIDFilter, EventNameFilter, EventOccurredFilter

from labelyard.errors import PrefectUnreachable
from labelyard.orchestration.events import read_events
from labelyard.orchestration.markdown import code, table

_FAILED = "prefect.automation.action.failed"
_TRIGGER = "triggering-event"
_SECONDS_TO_APPEAR = 60.0  # the server writes events down some seconds after it has acted on them


@dataclass(frozen=True)
class FailedAction:
    """An action of an automation that failed, the batch that it was for (if it was for one), and why."""

    at: datetime
    automation: str
    batch: str | None
    reason: str


def failed_actions(since: datetime) -> list[FailedAction]:
    """What failed since then, oldest first. Raises PrefectUnreachable where Prefect shows nothing of it."""
    wanted = EventFilter(occurred=EventOccurredFilter(since=since), event=EventNameFilter(name=[_FAILED]))
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    with get_client(sync_client=True) as client:
        while not (events := list(read_events(client, wanted))):
            if time.monotonic() > deadline:
                raise PrefectUnreachable(
                    f"an action failed at {since}, and Prefect shows nothing of it", next_step="labelyard doctor"
                )
            time.sleep(1)
        ours = [event for event in events if (event.resource.name or "").startswith("labelyard: ")]
        return list(_read(ours, _batches(client, ours)))[::-1]


def failed_actions_page(failed: Sequence[FailedAction]) -> str:
    """The page as Markdown."""
    rows = (
        (f"{one.at:%H:%M:%S} UTC", code(one.automation), code(one.batch or "-"), code(one.reason)) for one in failed
    )
    return (
        f"### {len(failed)} failed actions\n\nPrefect tries none of them again. Each batch is announced again; "
        "`labelyard doctor` says what is wrong, if something still is.\n\n"
        + table(("when", "automation", "batch", "why"), rows)
    )


def _read(events: Iterable[Event], batches: Mapping[UUID, str]) -> Iterator[FailedAction]:
    for event in events:
        why = [str(event.payload[name]) for name in ("reason", "validation_error") if event.payload.get(name)]
        batch = next((batches[trigger] for trigger in _triggers(event) if trigger in batches), None)
        yield FailedAction(event.occurred, event.resource.name or "", batch, "; ".join(why))


def _batches(client: SyncPrefectClient, failures: Iterable[Event]) -> dict[UUID, str]:
    """The batch of each event that set off one of these actions."""
    wanted = list({trigger for event in failures for trigger in _triggers(event)})
    found = read_events(client, EventFilter(id=EventIDFilter(id=wanted))) if wanted else ()
    return {event.id: str(event.payload["batch"]) for event in found if "batch" in event.payload}


def _triggers(event: Event) -> Iterator[UUID]:
    for resource in event.related:
        if resource.role == _TRIGGER:
            yield UUID(resource.id.removeprefix("prefect.event."))
