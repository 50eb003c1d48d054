"""Replay dead letters: parse and register them again, as the watcher does with a message."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.context import Context
from labelyard.errors import LabelyardError
from labelyard.ledger import dead_letters
from labelyard.pipeline.register_objects import Registered, register_deletions, register_objects
from labelyard.sources.parsers import parse_message


@dataclass(frozen=True)
class Replayed:
    """The result of a replay. `problem` is why the letter remains a dead letter; None if it does not."""

    id: int
    registered: Registered
    deleted: int
    problem: str | None


def replay(context: Context, number: int) -> Replayed:
    """Parse a dead letter again and register its content; what still fails remains, with the new reason.

    Raises NotFound; StoreUnreachable and LedgerUnreachable, which leave the letter unchanged.
    """
    with context.ledger.read_only() as tx:
        letter = dead_letters.get(tx, number)
    registered, deleted, problem = Registered(), 0, None
    try:
        parsed = parse_message(letter.body)
        problem = "; ".join(record.reason for record in parsed.rejected) or None
        registered = register_objects(context, parsed.created, letter.source)
        deleted = register_deletions(context, parsed.deleted, letter.source)
    except LabelyardError as error:
        if error.retry:
            raise
        problem = str(error).splitlines()[0]
    with context.ledger.transaction() as tx:
        dead_letters.record_replay(tx, number, problem)
    return Replayed(number, registered, deleted, problem)
