"""Alerts: look what needs a person, and send the messages that are due, each of them once.

Housekeeping looks every minute. The watcher looks too, once housekeeping has given no sign of life for a while: so a
message comes also when Prefect or every worker is dead. A channel that does not answer delays nothing but alerts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta

from labelyard.context import Context
from labelyard.domain.attention import causes
from labelyard.domain.causes import Kind
from labelyard.errors import LabelyardError
from labelyard.ledger import Transaction, alerts, outages, problems
from labelyard.ledger.situation import read_situation
from labelyard.operations.event_lag import MANY, most_waiting
from labelyard.operations.send_while_due import Sender, send_while_due
from labelyard.pipeline.register_objects import forget_undeclared_sources
from labelyard.sources.queues import open_queue

_log = logging.getLogger(__name__)
_FORGOTTEN_AFTER = timedelta(minutes=15)
"""What has not been met for so long is no problem any more: events are published, and queues asked, each minute."""
_EVENTS = "Prefect's events"


def send_alerts(context: Context, send: Sender, part: str = "") -> int:
    """Look what needs a person and send what is due; return how many messages were sent.

    `part` is the part of labelyard that shows with it that it is alive, if any.
    """
    with context.ledger.transaction() as tx:
        if part:
            problems.show_life(tx, part)
            problems.clear(tx, Kind.HOUSEKEEPING, part)
        _clear_old(tx)
    with context.ledger.read_only() as tx:
        found = [cause for cause in causes(read_situation(tx)) if cause.has_alert]
    with context.ledger.transaction() as tx:
        alerts.update(tx, found, context.settings.alerts.channels.keys())
    sent = _send_due(context, send) if context.settings.alerts.channels else 0
    # Last, because what does not answer takes long.
    _check_queue(context)
    _check_events(context)
    return sent


def _clear_old(tx: Transaction) -> None:
    """Forget what would have been met again: of an automation, of what was removed or replaced, of a dead watcher."""
    problems.clear_old(tx, Kind.AUTOMATION, _FORGOTTEN_AFTER)
    problems.clear_old(tx, Kind.QUEUE, _FORGOTTEN_AFTER)
    problems.clear_old(tx, Kind.EVENTS, _FORGOTTEN_AFTER)
    outages.end_old(tx, _FORGOTTEN_AFTER)
    forget_undeclared_sources(tx)


def send_if_silent(context: Context, send: Sender, since: datetime) -> int:
    """Do the same if housekeeping has given no sign of life, in the ledger or since a time at which it should have."""
    limit = timedelta(seconds=context.settings.alerts.housekeeping_silence_seconds)
    with context.ledger.transaction() as tx:
        last = max(filter(None, (problems.last_life(tx, problems.HOUSEKEEPING), since)))
        if tx.now - last < limit:
            return 0
        what = (
            f"labelyard's housekeeping gave no sign of life since {last:%Y-%m-%d %H:%M} UTC: Prefect's server or its"
            " workers are away, and nothing is ingested or exported"
        )
        problems.record(tx, Kind.HOUSEKEEPING, problems.HOUSEKEEPING, what, "labelyard doctor")
    return send_alerts(context, send)


def _send_due(context: Context, send: Sender) -> int:
    settings = context.settings.alerts

    def acquire() -> alerts.DueMessage | None:
        with context.ledger.transaction() as tx:
            night = settings.is_quiet(tx.now)
            quiet: Mapping[str, bool] = {name: night and not one.at_night for name, one in settings.channels.items()}
            return alerts.acquire_due(tx, quiet, timedelta(hours=settings.remind_hours))

    def send_to(due: alerts.DueMessage) -> None:
        send(settings.channels[due.channel], due.message)

    return send_while_due(context.ledger, acquire, send_to, alerts.record_sent, alerts.record_failure)


def _check_queue(context: Context) -> None:
    """Record since when the queue of notifications has not become shorter; an empty queue is no problem."""
    try:
        queue = open_queue(context.settings)
        if queue is None:
            return
        with closing(queue):
            waiting = queue.depth().waiting
    except LabelyardError as error:
        _log.warning("the queue could not be asked how many messages wait: %s", error)
        return
    name = queue.url
    with context.ledger.transaction() as tx:
        before = {row.name: row.size or 0 for row in problems.present(tx, Kind.QUEUE)}
        if name not in before and not waiting:
            return
        if waiting < before.get(name, waiting) or not waiting:
            problems.clear(tx, Kind.QUEUE, name)
        if waiting:
            what = f"{waiting} notifications wait in the queue, and it does not become shorter: is the watcher running?"
            problems.record(tx, Kind.QUEUE, name, what, "labelyard doctor", size=waiting)


def _check_events(context: Context) -> None:
    """Record since when many events wait for Prefect's services: the runs that they start do not exist yet."""
    if context.settings.prefect_redis_url is None:
        return
    try:
        waiting, consumer = most_waiting(context.settings)
    except LabelyardError as error:
        _log.warning("Prefect's Redis could not be asked how many events wait: %s", error)
        return
    with context.ledger.transaction() as tx:
        if waiting > MANY:
            what = f"{waiting:,} events wait for Prefect's services ({consumer}), so runs start late"
            problems.record(tx, Kind.EVENTS, _EVENTS, what, "start one more `prefect server services start`")
        elif problems.present(tx, Kind.EVENTS):
            problems.clear(tx, Kind.EVENTS, _EVENTS)
