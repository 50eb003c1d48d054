"""Where the assignment of a job is."""

from __future__ import annotations

import pytest

from labelyard.domain.assignment_state import AssignmentState as State
from labelyard.domain.assignment_state import assignment_state


@pytest.mark.parametrize(
    ("chosen", "assignee", "waits", "expected"),
    [
        (None, None, False, State.FREE),
        (None, "ann", False, State.FREE),  # `labelyard reassign ann` has begun
        (None, None, True, State.WAITS),
        (None, "ann", True, State.WAITS_UNSENT),
        ("bob", None, False, State.UNSENT),
        ("bob", "ann", False, State.UNSENT),
        ("bob", "bob", False, State.ASSIGNED),
    ],
)
def test_it_follows_from_the_choice_and_what_the_server_shows(
    chosen: str | None, assignee: str | None, waits: bool, expected: State
) -> None:
    assert assignment_state(chosen, assignee, manual=False, waits=waits) is expected
    assert assignment_state(chosen, assignee, manual=True, waits=waits) is State.MANUAL


def test_a_state_says_whether_something_is_to_be_chosen_or_sent() -> None:
    assert {state for state in State if state.is_unsent} == {State.UNSENT, State.WAITS_UNSENT}
    assert {state for state in State if state.has_no_choice} == {State.FREE, State.WAITS, State.WAITS_UNSENT}
