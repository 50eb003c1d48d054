"""Telling Prefect what has to be done next.

An event says which batch and which attempt, nothing else: a flow believes only the ledger. It is posted to the events
API, because `emit_event` loses it in silence while the server is away.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx

from labelyard.context import Context
from labelyard.errors import NotFound, PrefectUnreachable
from labelyard.failpoints import failpoint
from labelyard.ledger import batches, outbox
from labelyard.ledger.tables import OutboxEvent
from labelyard.settings import Settings

_log = logging.getLogger(__name__)
_PAGE = 200  # the most that Prefect gives
_BELIEVED = timedelta(hours=1)


def publish_events(context: Context) -> int:
    """Send what the outbox holds, oldest first; returns how many. Raises PrefectUnreachable; what is unsent stays."""
    sent = 0
    while True:
        with context.ledger.read_only() as tx:
            rows = outbox.unpublished(tx)
            events = [_event(row, dataset, str(outbox.event_id(tx, row))) for row, dataset in rows]
        if not events:
            return sent
        failpoint("publish_events.read")
        _post(context.settings, "events", events)
        failpoint("publish_events.posted")
        with context.ledger.transaction() as tx:
            for row, _ in rows:
                tx.get_one(OutboxEvent, row.id).published_at = tx.now
        failpoint("publish_events.marked")
        sent += len(rows)


def publish_again(context: Context) -> int:
    """Put every batch that waits for a run, and that no run has taken, into the outbox once more; returns how many.

    Prefect may lose the action behind an event: a deploy replaces the triggers, a server dies in between. What has a
    run that only waits for a worker or a place is not announced: such runs would pile up. Raises PrefectUnreachable.
    """
    quiet = timedelta(seconds=context.settings.publish_again_seconds)
    with context.ledger.read_only() as tx:
        if not batches.without_run(tx, quiet=quiet):
            return 0
    queued = _queued(context.settings)
    with context.ledger.transaction() as tx:
        again = batches.publish_again(tx, quiet=quiet, queued=queued)
        for batch in again:
            _log.info(
                "%s is %s and nobody has taken it: announced again, as number %d",
                batch.id,
                batch.state,
                batch.event_count,
            )
    failpoint("publish_events.republished")
    return len(again)


def report_not_started(context: Context, batch_id: str, why: str) -> bool:
    """Let the ledger say that Prefect failed to start a run of a batch; false where the batch waits for none."""
    with context.ledger.transaction() as tx:
        try:
            batch = batches.get(tx, batch_id, lock=True)
        except NotFound:
            return False  # anybody may post events
        error = f"Prefect did not start a run: {why}"
        return batches.report_not_started(tx, batch, error, "labelyard doctor")


def resources(batch: str, dataset: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What an event is about and what is related to it, in Prefect's form: the batch, and its dataset."""
    about = {"prefect.resource.id": f"labelyard.batch.{batch}", "prefect.resource.name": batch}
    of = {"prefect.resource.id": f"labelyard.dataset.{dataset}", "prefect.resource.name": dataset}
    return about, [of | {"prefect.resource.role": "dataset"}]


def _event(row: OutboxEvent, dataset: str, event_id: str) -> dict[str, object]:
    resource, related = resources(row.batch_id, dataset)
    return {
        "id": event_id,
        "occurred": row.written_at.isoformat(),
        "event": row.event,
        "resource": resource,
        "related": related,
        "payload": {"batch": row.batch_id, "attempt": row.attempt},
    }


def _queued(settings: Settings) -> set[str]:
    """The batches for which Prefect has a run that waits to begin; one that is old may wait where no worker looks."""
    since = datetime.now(UTC) - _BELIEVED
    wanted = {
        "tags": {"any_": ["ingest", "export"]},
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "expected_start_time": {"after_": since.isoformat()},
    }
    queued: set[str] = set()
    for offset in count(0, _PAGE):
        page = _post(settings, "flow_runs/filter", {"flow_runs": wanted, "limit": _PAGE, "offset": offset}).json()
        queued.update(str(run["parameters"].get("batch")) for run in page)
        if len(page) < _PAGE:
            break
    return queued


def _post(settings: Settings, path: str, body: object) -> httpx.Response:
    where = f"{settings.prefect_api().rstrip('/')}/{path}"
    secret = settings.prefect_api_auth_string
    auth = tuple(secret.get_secret_value().split(":", 1)) if secret else None
    tls = where.startswith("https:")  # to load the certificates for nothing would take longer than all the rest
    try:
        answer = httpx.post(where, json=body, timeout=10, auth=auth, verify=tls)  # type: ignore[arg-type]
    except httpx.HTTPError as error:
        raise PrefectUnreachable(f"no answer: {error}", where=where, next_step="labelyard doctor") from error
    if answer.is_error:
        raise PrefectUnreachable(f"{answer.status_code} {answer.text[:200]}", where=where, next_step="labelyard doctor")
    return answer
