"""Messages to people about their work: look who has to be told something, and send it, each message once.

Housekeeping looks every minute, after it has sent the alerts. Who gets a message is in the ledger before it is sent,
and that it was accepted afterwards: a process that dies in between makes one message come twice, and none is lost.
"""

from __future__ import annotations

from datetime import timedelta

from labelyard.context import Context
from labelyard.failpoints import failpoint
from labelyard.ledger import messages
from labelyard.ledger.messages import DuePerson
from labelyard.operations.send_while_due import Sender, send_while_due


def send_messages(context: Context, send: Sender) -> int:
    """Send the messages that are due to people; return how many were accepted.

    Everything is read once, without a write transaction; only people about whom something is new have one.
    """
    settings, channels = context.settings, context.settings.messages.by_person
    with context.ledger.read_only() as tx:
        is_night = settings.alerts.is_quiet(tx.now)
        quiet = {name: is_night and not channel.at_night for name, channel in channels.items()}
        found = iter(messages.read(tx, quiet, timedelta(minutes=settings.messages.bundle_minutes)))

    def acquire() -> DuePerson | None:
        for due in found:
            with context.ledger.transaction() as tx:
                leased = messages.acquire(tx, due)
            if leased is not None and leased.message is not None:
                failpoint("send_messages.leased")
                return leased
        return None

    def send_to(due: DuePerson) -> None:
        assert due.message is not None
        send(channels[due.person], due.message)
        failpoint("send_messages.sent")

    return send_while_due(context.ledger, acquire, send_to, messages.record_sent, messages.record_failure)
