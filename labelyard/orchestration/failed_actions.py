"""Actions of labelyard's automations that failed. Prefect does not retry them and reports them only by an event."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import Event
from prefect.events.filters import EventFilter, EventIDFilter, EventNameFilter, EventOccurredFilter

from labelyard.context import Context
from labelyard.domain.causes import Kind
from labelyard.errors import PrefectUnreachable
from labelyard.ledger import problems
from labelyard.markdown import code, table
from labelyard.orchestration.events_with_client import read_events

_FAILED = "prefect.automation.action.failed"
_TRIGGER = "triggering-event"
_BUSY = 503
_SECONDS_TO_APPEAR = 60.0  # the server stores events some seconds after it has acted on them


@dataclass(frozen=True)
class FailedAction:
    """An action of an automation that failed: when, of which automation, for which batch (if any), and why.

    `busy` says that Prefect's database was busy: the batch's event is published again, and no person has to act.
    """

    at: datetime
    automation: str
    batch: str | None
    reason: str
    busy: bool


def failed_actions(since: datetime) -> list[FailedAction]:
    """Return the actions that failed since then, oldest first. Raises PrefectUnreachable if there is no event."""
    wanted = EventFilter(occurred=EventOccurredFilter(since=since), event=EventNameFilter(name=[_FAILED]))
    with get_client(sync_client=True) as client:
        events = _wait_for_events(client, wanted, since)
        # This flow's own automation has no such prefix: its failures must not start it again.
        ours = [event for event in events if (event.resource.name or "").startswith("labelyard: ")]
        return list(_failed_actions(ours, _batches(client, ours)))[::-1]


def record_problem(context: Context, action: FailedAction) -> bool:
    """Record that an automation fails; return whether it is new. Housekeeping forgets it once it is not met again."""
    what = f"the automation {action.automation!r} could not start a run: {action.reason}"
    with context.ledger.transaction() as tx:
        return problems.record(tx, Kind.AUTOMATION, action.automation, what, "labelyard doctor, or labelyard deploy")


def failed_actions_markdown(failed: Sequence[FailedAction]) -> str:
    """Return the artifact about failed actions."""
    rows = (
        (f"{action.at:%H:%M:%S} UTC", code(action.automation), code(action.batch or "-"), code(action.reason))
        for action in failed
    )
    return (
        f"### {len(failed)} failed actions\n\nPrefect does not retry them. labelyard publishes the event of each batch "
        "again; `labelyard doctor` shows what is still wrong.\n\n"
        + table(("when", "automation", "batch", "reason"), rows)
    )


def _wait_for_events(client: SyncPrefectClient, wanted: EventFilter, since: datetime) -> list[Event]:
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    while not (events := list(read_events(client, wanted))):
        if time.monotonic() > deadline:
            raise PrefectUnreachable(
                f"an action failed at {since}, and Prefect has no event of it", next_step="labelyard doctor"
            )
        time.sleep(1)
    return events


def _failed_actions(events: Iterable[Event], batches: Mapping[UUID, str]) -> Iterator[FailedAction]:
    for event in events:
        reasons = [str(event.payload[name]) for name in ("reason", "validation_error") if event.payload.get(name)]
        batch = next((batches[trigger] for trigger in _triggers(event) if trigger in batches), None)
        busy = event.payload.get("status_code") == _BUSY
        yield FailedAction(event.occurred, event.resource.name or "", batch, "; ".join(reasons), busy)


def _batches(client: SyncPrefectClient, failures: Iterable[Event]) -> dict[UUID, str]:
    """Return the batch of each event that triggered one of these actions."""
    wanted = list({trigger for event in failures for trigger in _triggers(event)})
    found = read_events(client, EventFilter(id=EventIDFilter(id=wanted))) if wanted else ()
    return {event.id: str(event.payload["batch"]) for event in found if "batch" in event.payload}


def _triggers(event: Event) -> Iterator[UUID]:
    for resource in event.related:
        if resource.role == _TRIGGER:
            yield UUID(resource.id.removeprefix("prefect.event."))
