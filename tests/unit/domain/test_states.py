from __future__ import annotations

from itertools import pairwise

import pytest

from labelyard.domain.states import (
    ENDED,
    INGESTING,
    TASK_TRANSITIONS,
    TRANSITIONS,
    WITH_PEOPLE,
    BatchState,
    TaskState,
    may_move,
    may_task_move,
)

CHAIN = ("open", "closed", "created", "uploaded", "ready", "assigned", "completed", "exported", "archived")


def test_every_state_has_its_transitions_and_none_leads_to_itself() -> None:
    assert set(TRANSITIONS) == set(BatchState)
    assert not [state for state, following in TRANSITIONS.items() if state in following]


@pytest.mark.parametrize(("old", "new"), list(pairwise(CHAIN)))
def test_the_chain_goes_forward_step_by_step(old: str, new: str) -> None:
    assert may_move(BatchState(old), BatchState(new))


@pytest.mark.parametrize("old", [s for s in BatchState if s is not BatchState.CANCELLED])
def test_every_batch_that_is_not_cancelled_may_fail_be_quarantined_or_cancelled(old: BatchState) -> None:
    assert all(may_move(old, end) for end in ENDED if end is not old)


@pytest.mark.parametrize("old", ["completed", "exported"])
def test_a_reopened_job_leads_back_to_assigned(old: str) -> None:
    assert may_move(BatchState(old), BatchState.ASSIGNED)


def test_an_archived_batch_is_never_reopened() -> None:
    assert TRANSITIONS[BatchState.ARCHIVED] == ENDED


def test_no_step_is_skipped() -> None:
    for i, old in enumerate(CHAIN):
        for new in CHAIN[i + 2 :]:
            assert not may_move(BatchState(old), BatchState(new)), (old, new)


def test_cancelled_is_final_and_a_failed_batch_resumes_in_the_state_it_had() -> None:
    assert not any(may_move(BatchState.CANCELLED, new) for new in BatchState)
    assert all(may_move(BatchState.FAILED, state) for state in (*INGESTING, *WITH_PEOPLE))


# --- tasks ------------------------------------------------------------------------------------------------------------

TASK_CHAIN = (TaskState.PLANNED, TaskState.CREATED, TaskState.UPLOADING, TaskState.VERIFIED)


def test_a_task_goes_forward_step_by_step_and_skips_none() -> None:
    assert set(TASK_TRANSITIONS) == set(TaskState)
    assert all(may_task_move(old, new) for old, new in pairwise(TASK_CHAIN))
    assert not any(may_task_move(old, new) for i, old in enumerate(TASK_CHAIN) for new in TASK_CHAIN[i + 2 :])


def test_a_task_goes_back_only_if_nothing_was_sent() -> None:
    back = [(old, new) for i, old in enumerate(TASK_CHAIN) for new in TASK_CHAIN[: i + 1] if may_task_move(old, new)]
    assert back == [(TaskState.UPLOADING, TaskState.CREATED)]


def test_each_task_may_be_abandoned_once() -> None:
    assert all(may_task_move(old, TaskState.ABANDONED) for old in TASK_CHAIN)
    assert TASK_TRANSITIONS[TaskState.ABANDONED] == frozenset()
