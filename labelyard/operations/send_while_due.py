"""The sending of alerts and of messages to people: no transaction is open meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from labelyard.alert_settings import ChannelSettings
from labelyard.domain.alerts import Message
from labelyard.errors import AlertNotSent
from labelyard.ledger import Ledger, Transaction

_log = logging.getLogger(__name__)
_SECONDS = 30.0
"""How long one look may send: the next one sends the rest."""

Due = TypeVar("Due")


class Sender(Protocol):
    """What sending needs: orchestration/alert_channels."""

    def __call__(self, channel: ChannelSettings, message: Message) -> None:
        """Send a message. Raises AlertNotSent, without any secret."""


def send_while_due(
    ledger: Ledger,
    acquire: Callable[[], Due | None],
    send: Callable[[Due], None],
    record_sent: Callable[[Transaction, Due], None],
    record_failure: Callable[[Transaction, Due, str], None],
) -> int:
    """Send what `acquire` leases, until it returns None; return how many messages were accepted.

    The lease is committed before the message is sent, and the result is recorded only while the lease is still this
    process's. After a kill between any two statements the message is sent again once the lease has expired.
    """
    sent, until = 0, time.monotonic() + _SECONDS
    while time.monotonic() < until and (due := acquire()) is not None:
        try:
            send(due)
        except AlertNotSent as error:
            _log.warning("a channel did not accept its message: %s", error)
            with ledger.transaction() as tx:
                record_failure(tx, due, error.what)
        else:
            sent += 1
            with ledger.transaction() as tx:
                record_sent(tx, due)
    return sent
