"""Messages to people about their work: look who has to be told something, and send it, each message once.

Housekeeping looks every minute, after it has sent the alerts. Who gets a message is in the ledger before it is sent,
and that it was accepted afterwards: a process that dies in between makes one message come twice, and none is lost.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from labelyard.context import Context
from labelyard.errors import AlertNotSent
from labelyard.failpoints import failpoint
from labelyard.ledger import messages
from labelyard.ledger.open_jobs import open_jobs
from labelyard.operations.send_alerts import Sender

_log = logging.getLogger(__name__)
_SECONDS = 30.0
"""How long one look may send: the next one sends the rest."""


def send_messages(context: Context, send: Sender) -> int:
    """Send the messages that are due to people; return how many were accepted. Without channels nothing is done."""
    channels = context.settings.messages.by_person
    if not channels:
        return 0
    with context.ledger.transaction() as tx:
        messages.update(tx, open_jobs(tx), channels.keys())
    sent, failed, until = 0, set[str](), time.monotonic() + _SECONDS
    while time.monotonic() < until and (due := _acquire(context, failed)):
        failpoint("send_messages.leased")
        try:
            send(channels[due.person], due.message)
        except AlertNotSent as error:
            failed.add(due.person)
            _log.warning("the channel of %s: %s", due.person, error.what)
            with context.ledger.transaction() as tx:
                messages.record_failure(tx, due, error.what)
        else:
            failpoint("send_messages.sent")
            sent += 1
            with context.ledger.transaction() as tx:
                messages.record_sent(tx, due)
    return sent


def _acquire(context: Context, failed: set[str]) -> messages.DuePerson | None:
    settings = context.settings
    bundle = timedelta(minutes=settings.messages.bundle_minutes)
    with context.ledger.transaction() as tx:
        is_night = settings.alerts.is_quiet(tx.now)
        quiet = {name: is_night and not channel.at_night for name, channel in settings.messages.by_person.items()}
        return messages.acquire_due(tx, open_jobs(tx), quiet, bundle, leave_out=failed)
