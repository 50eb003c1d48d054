"""Prefect's events and flow runs over REST, without importing Prefect, for `labelyard watch` and the flows.

Events are posted to the API because `emit_event` loses them silently while the server is unavailable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx

from labelyard.errors import PrefectUnreachable
from labelyard.orchestration import MOST_AT_ONCE
from labelyard.orchestration.prefect_api import refuse_failed_login
from labelyard.pipeline.publish_events import EventToPublish
from labelyard.settings import Settings

_TIMEOUT = 10.0
_QUEUED_WITHIN = timedelta(hours=1)
"""A run that waits for longer may be in a work pool without a worker: its batch gets another event."""


class PrefectEvents:
    """The EventsApi of pipeline/publish_events on Prefect's REST API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def publish(self, events: Sequence[EventToPublish]) -> None:
        """Post events and return once they are accepted. Raises PrefectUnreachable."""
        self._post("events", [_event(event) for event in events])

    def batches_with_queued_run(self) -> set[str]:
        """Return the batches that have a run which has not started yet. Raises PrefectUnreachable."""
        return {str(run["parameters"].get("batch")) for run in self._scheduled_runs()}

    def _scheduled_runs(self) -> Iterator[Mapping[str, Any]]:
        since = datetime.now(UTC) - _QUEUED_WITHIN
        wanted = {
            "tags": {"any_": ["ingest", "export"]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "next_scheduled_start_time": {"after_": since.isoformat()},  # that of a run that waits is in the future
        }
        for offset in count(0, MOST_AT_ONCE):
            page = self._post("flow_runs/filter", {"flow_runs": wanted, "limit": MOST_AT_ONCE, "offset": offset}).json()
            yield from page
            if len(page) < MOST_AT_ONCE:
                return

    def _post(self, path: str, body: object) -> httpx.Response:
        where = f"{self._settings.prefect_api().rstrip('/')}/{path}"
        login = self._settings.prefect_login()
        verify = where.startswith("https:")  # loading the certificates takes longer than the request
        try:
            response = httpx.post(where, json=body, headers=login, timeout=_TIMEOUT, verify=verify)
        except httpx.HTTPError as error:
            raise PrefectUnreachable(f"no answer: {error}", where=where, next_step="labelyard doctor") from error
        refuse_failed_login(self._settings, response, where)
        if response.is_error:
            what = f"{response.status_code} {response.text[:200]}"
            raise PrefectUnreachable(what, where=where, next_step="labelyard doctor")
        return response


def resources(batch: str, dataset: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the resource of an event, its batch, and the related resources, its dataset, as Prefect expects them."""
    resource = {"prefect.resource.id": f"labelyard.batch.{batch}", "prefect.resource.name": batch}
    related = {"prefect.resource.id": f"labelyard.dataset.{dataset}", "prefect.resource.name": dataset}
    return resource, [related | {"prefect.resource.role": "dataset"}]


def _event(event: EventToPublish) -> dict[str, object]:
    resource, related = resources(event.batch, event.dataset)
    return {
        "id": event.id,
        "occurred": event.written_at.isoformat(),
        "event": event.name,
        "resource": resource,
        "related": related,
        "payload": {"batch": event.batch, "attempt": event.attempt},
    }
