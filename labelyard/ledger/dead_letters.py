"""Dead letters: messages that could not be parsed or registered, kept so that none is lost or delivered for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from labelyard.errors import NotFound
from labelyard.ledger.database import Transaction
from labelyard.ledger.tables import DeadLetter

_log = logging.getLogger(__name__)
_WAITING = DeadLetter.replayed_at.is_(None) & DeadLetter.discarded_at.is_(None)
_MAX_BYTES = 1024 * 1024
"""The most bytes of a message that are kept."""
_FIRST_LINE_BYTES = 400


@dataclass(frozen=True)
class DeadLetterSummary:
    """A dead letter in a list: its number, when and from where it came, the reason, and its first line."""

    id: int
    at: datetime
    source: str
    reason: str
    first_line: str


def put(tx: Transaction, body: bytes, source: str, reason: str) -> None:
    """Keep a message (its first mebibyte) with the reason why it could not be parsed or registered."""
    tx.add(DeadLetter(at=tx.now, source=source, reason=reason, body=body[:_MAX_BYTES]))
    _log.warning(
        "a message from %s could not be parsed or registered and is kept (labelyard dead-letters): %s", source, reason
    )


def get(tx: Transaction, number: int) -> DeadLetter:
    """Return a dead letter by its number. Raises NotFound."""
    found = tx.get(DeadLetter, number)
    if found is None:
        raise NotFound(f"there is no dead letter {number}", next_step="labelyard dead-letters")
    return found


def waiting(tx: Transaction) -> Iterator[DeadLetterSummary]:
    """Yield the dead letters that were neither replayed with success nor discarded, oldest first."""
    beginning = func.substr(DeadLetter.body, 1, _FIRST_LINE_BYTES, type_=DeadLetter.body.type)
    query = select(DeadLetter.id, DeadLetter.at, DeadLetter.source, DeadLetter.reason, beginning)
    for number, at, source, reason, body in tx.execute(query.where(_WAITING).order_by(DeadLetter.id)):
        first_line = next(iter(body.decode(errors="replace").splitlines()), "")
        yield DeadLetterSummary(number, at, source, reason, first_line)


def count(tx: Transaction) -> int:
    """Return how many dead letters wait."""
    return tx.scalar(select(func.count()).select_from(DeadLetter).where(_WAITING)) or 0


def oldest(tx: Transaction) -> datetime | None:
    """Return since when the oldest dead letter waits."""
    return tx.scalar(select(func.min(DeadLetter.at)).where(_WAITING))


def discard(tx: Transaction, number: int) -> None:
    """Discard a dead letter: it stays in the ledger and waits no longer. Raises NotFound."""
    letter = get(tx, number)
    letter.discarded_at = letter.discarded_at or tx.now


def record_replay(tx: Transaction, number: int, failure: str | None) -> None:
    """Record that a dead letter was replayed: with success, or with a `failure` for which it keeps waiting."""
    letter = get(tx, number)
    if failure is None:
        letter.replayed_at = tx.now
    else:
        letter.reason = failure
