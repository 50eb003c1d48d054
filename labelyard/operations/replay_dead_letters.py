"""Resending: a dead letter is read again, as the watch loop reads a message."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.context import Context
from labelyard.errors import LabelyardError
from labelyard.ledger import dead_letters
from labelyard.pipeline import register_objects
from labelyard.sources.parsers import read_message


@dataclass(frozen=True)
class Replayed:
    """What became of a dead letter: what landed of it, how many deletions were noted, and why it `stays` if it does."""

    id: int
    landed: register_objects.Registered
    gone: int
    stays: str | None


def replay(context: Context, number: int) -> Replayed:
    """Read a dead letter again and land what it tells of; what still cannot be read stays, with today's reason.

    Raises NotKnown; StoreUnreachable and LedgerUnreachable, after which the letter is as it was.
    """
    with context.ledger.read_only() as tx:
        letter = dead_letters.get(tx, number)
    landed, removed, stays = register_objects.Registered(), 0, None
    try:
        reading = read_message(letter.body)
        stays = "; ".join(refused.reason for refused in reading.refused) or None
        landed = register_objects.register_objects(context, reading.objects, letter.source)
        removed = register_objects.register_deletions(context, reading.removed, letter.source)
    except LabelyardError as error:
        if error.retry:
            raise
        stays = str(error).splitlines()[0]
    with context.ledger.transaction() as tx:
        dead_letters.record_replay(tx, number, stays)
    return Replayed(number, landed, removed, stays)
