"""The life of a batch, from its history: when it got into each state, and why it came back to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from labelyard.domain.states import BatchState
from labelyard.ledger.history import HistoryEntry

STATES = frozenset(state.value for state in BatchState)
"""The words of the history for a new state."""
ABANDONED = "abandoned"
"""The word of the history for a task that another one replaces; its reason says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """A state of a batch: since when, until when (None: it is the last one), and why it is back in it, or ""."""

    state: str
    since: datetime
    until: datetime | None
    why_again: str = ""


def steps(entries: Sequence[HistoryEntry], opened_at: datetime) -> Sequence[Step]:
    """Return the states of a batch, oldest first. A state that comes before the one that it follows says why."""
    moves = [HistoryEntry(opened_at, BatchState.OPEN.value, ""), *_moves(entries)]
    ends: list[datetime | None] = [*(move.at for move in moves[1:]), None]
    order = {state.value: number for number, state in enumerate(BatchState)}
    found = [Step(moves[0].what, opened_at, ends[0])]
    for (before, move), end in zip(pairwise(moves), ends[1:], strict=True):
        is_back = order[move.what] < order[before.what]
        found.append(Step(move.what, move.at, end, move.reason if is_back else ""))
    return found


def _moves(entries: Sequence[HistoryEntry]) -> Iterator[HistoryEntry]:
    """Yield the entries about a new state, that of a second task with the reason why the first one was abandoned."""
    reason, last = "", None
    for entry in entries:
        if entry.what == ABANDONED:
            reason = entry.reason
        elif entry.what in STATES:
            # The same entry twice in a row: the first ones are about jobs ("assigned"), the last is about the batch.
            if last is not None and last.what != entry.what:
                yield last
            last = HistoryEntry(entry.at, entry.what, reason or entry.reason)
            reason = ""
    if last is not None:
        yield last
