"""Resending: a dead letter is read again, as the watch loop reads a message."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.errors import LabelyardError
from labelyard.events import read_message
from labelyard.ledger import dead_letters
from labelyard.steps import landing
from labelyard.workplace import Workplace


@dataclass(frozen=True)
class Resent:
    """What became of a dead letter: what landed of it, how many deletions were noted, and why it `stays` if it does."""

    id: int
    landed: landing.Landed
    gone: int
    stays: str | None


def resend(place: Workplace, number: int) -> Resent:
    """Read a dead letter again and land what it tells of; what still cannot be read stays, with today's reason.

    Raises NotKnown; StoreUnreachable and LedgerUnreachable, after which the letter is as it was.
    """
    with place.ledger.read() as session:
        letter = dead_letters.get(session, number)
    landed, removed, stays = landing.Landed(), 0, None
    try:
        reading = read_message(letter.body)
        stays = "; ".join(refused.reason for refused in reading.refused) or None
        landed = landing.land(place, reading.objects, letter.source)
        removed = landing.gone(place, reading.removed, letter.source)
    except LabelyardError as error:
        if error.retry:
            raise
        stays = str(error).splitlines()[0]
    with place.ledger.write() as session:
        dead_letters.sent_again(place.ledger, session, number, stays)
    return Resent(number, landed, removed, stays)
