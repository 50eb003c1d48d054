"""Telling Prefect what has to be done next.

An event says which batch and which attempt, nothing else: a flow believes only the ledger. It is posted to the events
API, because `emit_event` loses it in silence while the server is away.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

import httpx

from labelyard.crashing import point
from labelyard.errors import NotKnown, PrefectUnreachable
from labelyard.ledger import batches, outbox
from labelyard.ledger.tables import Announcement
from labelyard.settings import Settings
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


def announce(place: Workplace) -> int:
    """Send what the outbox holds, oldest first; returns how many. Raises PrefectUnreachable; what is unsent stays."""
    sent = 0
    while True:
        with place.ledger.read() as session:
            rows = outbox.unsent(place.ledger, session)
            events = [_event(row, dataset, str(outbox.event_id(session, row))) for row, dataset in rows]
        if not events:
            return sent
        point("announcing.read")
        _post(place.settings, events)
        point("announcing.posted")
        with place.ledger.write() as session:
            for row, _ in rows:
                session.get_one(Announcement, row.id).sent_at = place.ledger.now(session)
        point("announcing.marked")
        sent += len(rows)


def announce_again(place: Workplace) -> int:
    """Put every batch that waits for a run, and that no run has taken, into the outbox once more; returns how many.

    Prefect may lose the action behind an event: a deploy replaces the triggers, a server dies in between.
    """
    quiet = timedelta(seconds=place.settings.announce_again_seconds)
    with place.ledger.write() as session:
        rows = batches.unclaimed(place.ledger, session, quiet=quiet)
        for batch in rows:
            outbox.put(place.ledger, session, batch, batches.ANNOUNCED_BY[batch.state])
            _log.info(
                "%s is %s and nobody has taken it: announced again, as number %d",
                batch.id,
                batch.state,
                batch.announcements,
            )
    point("announcing.again")
    return len(rows)


def not_started(place: Workplace, batch_id: str, why: str) -> bool:
    """Let the ledger say that Prefect failed to start a run of a batch; false where the batch waits for none."""
    with place.ledger.write() as session:
        try:
            batch = batches.get(session, batch_id, lock=True)
        except NotKnown:
            return False  # anybody may post events
        error = f"Prefect did not start a run: {why}"
        return batches.not_started(place.ledger, session, batch, error, "labelyard doctor")


def resources(batch: str, dataset: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What an event is about and what is related to it, in Prefect's form: the batch, and its dataset."""
    about = {"prefect.resource.id": f"labelyard.batch.{batch}", "prefect.resource.name": batch}
    of = {"prefect.resource.id": f"labelyard.dataset.{dataset}", "prefect.resource.name": dataset}
    return about, [of | {"prefect.resource.role": "dataset"}]


def _event(row: Announcement, dataset: str, event_id: str) -> dict[str, object]:
    resource, related = resources(row.batch_id, dataset)
    return {
        "id": event_id,
        "occurred": row.written_at.isoformat(),
        "event": row.event,
        "resource": resource,
        "related": related,
        "payload": {"batch": row.batch_id, "attempt": row.attempt},
    }


def _post(settings: Settings, events: Sequence[dict[str, object]]) -> None:
    where = f"{settings.prefect_api().rstrip('/')}/events"
    secret = settings.prefect_api_auth_string
    auth = tuple(secret.get_secret_value().split(":", 1)) if secret else None
    tls = where.startswith("https:")  # to load the certificates for nothing would take longer than all the rest
    try:
        answer = httpx.post(where, json=list(events), timeout=10, auth=auth, verify=tls)  # type: ignore[arg-type]
    except httpx.HTTPError as error:
        raise PrefectUnreachable(f"no answer: {error}", where=where, next_step="labelyard doctor") from error
    if answer.is_error:
        raise PrefectUnreachable(f"{answer.status_code} {answer.text[:200]}", where=where, next_step="labelyard doctor")
