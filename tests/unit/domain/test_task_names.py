"""Which CVAT task may have a name that labelyard gave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.naming import attempt_name
from labelyard.domain.states import WITHOUT_TASK, BatchState, TaskState
from labelyard.domain.task_names import Attempt, TaskName, task_names

BATCH, FIRST = "street-00001", "street-00001 0123456789"
LIVE = [state for state in TaskState if state is not TaskState.ABANDONED]


@st.composite
def attempts(draw: st.DrawFn) -> list[Attempt]:
    """The tasks of a batch: abandoned ones, and at last perhaps a live one; some have an id, every planned one none."""
    live = draw(st.lists(st.sampled_from(LIVE), max_size=1))
    states = draw(st.lists(st.just(TaskState.ABANDONED), max_size=3)) + live
    return [
        Attempt(
            attempt_name(FIRST, n),
            state,
            None if state is TaskState.PLANNED or (state is TaskState.ABANDONED and draw(st.booleans())) else 100 + n,
        )
        for n, state in enumerate(states, 1)
    ]


@given(attempts(), st.sampled_from(BatchState), st.booleans())
def test_every_name_is_remembered_and_only_the_live_task_may_keep_its_own(
    tried: list[Attempt], state: BatchState, ending: bool
) -> None:
    names = list(task_names(BATCH, state, FIRST, tried, ending=ending))
    assert [one.name for one in names] == ([one.name for one in tried] or [FIRST])
    assert {one.batch_id for one in names} == {BATCH}
    live = {one.name: one.server_id for one in tried if one.state is not TaskState.ABANDONED}
    if ending or state in WITHOUT_TASK:
        assert not any(one.awaited or one.kept for one in names)
    else:
        assert {one.name: one.kept for one in names if one.kept} == {name: id_ for name, id_ in live.items() if id_}
        awaited = [one.name for one in names if one.awaited]
        assert awaited == ([name for name, id_ in live.items() if id_ is None] or ([] if tried else [FIRST]))


def test_an_open_batch_has_no_name_yet() -> None:
    assert list(task_names(BATCH, BatchState.OPEN, None, [])) == []


def test_the_name_that_a_person_gave_to_an_adopted_task_is_none_of_ours() -> None:
    adopted = [Attempt("Monday", TaskState.VERIFIED, 7), Attempt("street-00001", TaskState.VERIFIED, 8)]
    assert list(task_names(BATCH, BatchState.CANCELLED, FIRST, adopted)) == []


def test_a_task_of_a_lost_ledger_keeps_its_name() -> None:
    rebuilt = [Attempt("street-00001 abcdef0123 #2", TaskState.VERIFIED, 7)]
    names = list(task_names(BATCH, BatchState.ASSIGNED, FIRST, rebuilt))
    assert names == [TaskName("street-00001 abcdef0123 #2", BATCH, kept=7)]
