"""Messages that could not be read: kept with their text, so that nothing is lost and nothing loops for ever."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from labelyard.ledger import Ledger
from labelyard.ledger.tables import DeadLetter

_log = logging.getLogger(__name__)
MAX_BODY_BYTES = 256 * 1024
"""What is kept of a message: as much as a queue carries."""


def put(ledger: Ledger, session: Session, body: bytes, source: str, reason: str) -> None:
    """Keep a message (its first 256 KiB) with the reason why it could not be read."""
    session.add(DeadLetter(at=ledger.now(session), source=source, reason=reason, body=body[:MAX_BODY_BYTES]))
    _log.warning("a message from %s could not be read and lies in the dead letters: %s", source, reason)
