"""assignment_state: where the assignment of a job is, by what the ledger knows of it."""

from __future__ import annotations

from enum import StrEnum


class AssignmentState(StrEnum):
    """Where the assignment of a job is. Whether the job is completed or in review does not count here."""

    MANUAL = "manual"
    """A person assigned it, or took its assignee away: labelyard changes nothing."""
    FREE = "free"
    """Nobody is chosen, and it does not wait: the next run chooses."""
    WAITS = "waits"
    """Nobody may get it now, and nobody has it."""
    WAITS_UNSENT = "waits, unsent"
    """Nobody may get it now, and the server still shows who had it."""
    UNSENT = "unsent"
    """Somebody is chosen, and the server does not show it yet."""
    ASSIGNED = "assigned"
    """The server shows who was chosen."""

    @property
    def is_unsent(self) -> bool:
        """Whether the server does not show yet what was decided."""
        return self in (AssignmentState.UNSENT, AssignmentState.WAITS_UNSENT)

    @property
    def has_no_choice(self) -> bool:
        """Whether somebody is to be chosen as soon as somebody may get it."""
        return self in (AssignmentState.FREE, AssignmentState.WAITS, AssignmentState.WAITS_UNSENT)


def assignment_state(chosen: str | None, assignee: str | None, *, manual: bool, waits: bool) -> AssignmentState:
    """Return the state of a job with this choice, and this assignee on the server."""
    if manual:
        return AssignmentState.MANUAL
    if chosen is not None:
        return AssignmentState.ASSIGNED if chosen == assignee else AssignmentState.UNSENT
    if not waits:
        return AssignmentState.FREE
    return AssignmentState.WAITS if assignee is None else AssignmentState.WAITS_UNSENT
