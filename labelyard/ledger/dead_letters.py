"""Messages that could not be read: kept with their text, so that nothing is lost and nothing loops for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from labelyard.errors import NotFound
from labelyard.ledger import Transaction
from labelyard.ledger.tables import DeadLetter

_log = logging.getLogger(__name__)
_WAITS = DeadLetter.replayed_at.is_(None) & DeadLetter.discarded_at.is_(None)
_BEGINNING = 400
"""Bytes of a message that a list shows the first line of."""


@dataclass(frozen=True)
class Line:
    """A dead letter in a list: its number, when and whence it came, why it is here, and its first line."""

    id: int
    at: datetime
    source: str
    reason: str
    first_line: str


def put(tx: Transaction, body: bytes, source: str, reason: str) -> None:
    """Keep a message with the reason why it could not be read or registered."""
    tx.add(DeadLetter(at=tx.now, source=source, reason=reason, body=body))
    _log.warning(
        "a message from %s could not be read and lies in the dead letters (labelyard dead-letters): %s", source, reason
    )


def get(tx: Transaction, number: int) -> DeadLetter:
    """A dead letter by its number. Raises NotKnown."""
    found = tx.get(DeadLetter, number)
    if found is None:
        raise NotFound(f"there is no dead letter {number}", next_step="labelyard dead-letters")
    return found


def waiting(tx: Transaction) -> Iterator[Line]:
    """What was neither read again with success nor discarded, oldest first."""
    beginning = func.substr(DeadLetter.body, 1, _BEGINNING, type_=DeadLetter.body.type)
    query = select(DeadLetter.id, DeadLetter.at, DeadLetter.source, DeadLetter.reason, beginning)
    for number, at, source, reason, body in tx.execute(query.where(_WAITS).order_by(DeadLetter.id)):
        yield Line(number, at, source, reason, next(iter(body.decode(errors="replace").splitlines()), ""))


def count(tx: Transaction) -> int:
    """How many wait to be read again."""
    return tx.scalar(select(func.count()).select_from(DeadLetter).where(_WAITS)) or 0


def told(count: int) -> str:
    """How many wait, in words."""
    return f"{count} message{'' if count == 1 else 's'} could not be read"


def discard(tx: Transaction, number: int) -> None:
    """Note that a letter is of no use: it stays in the ledger, and waits no longer. Raises NotKnown."""
    letter = get(tx, number)
    letter.discarded_at = letter.discarded_at or tx.now


def sent_again(tx: Transaction, number: int, stays: str | None) -> None:
    """Note that a letter was read again: it is done with, or it `stays` for this reason."""
    letter = get(tx, number)
    if stays is None:
        letter.replayed_at = tx.now
    else:
        letter.reason = stays
