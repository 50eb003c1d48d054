from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.assignment import ASSIGNMENT_POLICIES, Choice, PolicyState, round_robin
from labelyard.domain.tasks import Job

COUNTS = st.integers(0, 40)


def jobs(count: int) -> list[Job]:
    return [Job(100 + i, 1, i * 5, i * 5 + 4) for i in range(count)]


def people(count: int) -> list[str]:
    return [f"p{i}" for i in range(count)]


@pytest.mark.parametrize("name", ASSIGNMENT_POLICIES)
@given(count=COUNTS, size=st.integers(1, 6), assigned=st.integers(0, 100), data=st.data())
def test_every_policy_chooses_one_annotator_with_a_reason_for_each_job_in_any_order(
    name: str, count: int, size: int, assigned: int, data: st.DataObject
) -> None:
    policy, state = ASSIGNMENT_POLICIES[name], PolicyState(assigned)
    choices = policy(jobs(count), people(size), state)
    assert sorted(choice.job_id for choice in choices) == [job.id for job in jobs(count)]
    assert {choice.annotator for choice in choices} <= set(people(size))
    assert all(choice.reason for choice in choices)
    shuffled = data.draw(st.permutations(jobs(count)))
    by_job = {choice.job_id: choice for choice in choices}
    assert {choice.job_id: choice for choice in policy(shuffled, people(size), state)} == by_job


@given(COUNTS, st.integers(1, 6), st.integers(0, 100))
def test_round_robin_gives_no_annotator_two_jobs_more_than_another(count: int, size: int, assigned: int) -> None:
    load = Counter(choice.annotator for choice in round_robin(jobs(count), people(size), PolicyState(assigned)))
    assert max(load[name] for name in people(size)) - min(load[name] for name in people(size)) <= 1


@given(st.lists(st.integers(0, 7), max_size=8), st.integers(1, 5))
def test_round_robin_continues_from_batch_to_batch(batches: list[int], size: int) -> None:
    choices: list[Choice] = []
    for count in batches:
        choices += round_robin(jobs(count), people(size), PolicyState(len(choices)))
    assert [choice.annotator for choice in choices] == [people(size)[i % size] for i in range(len(choices))]


def test_round_robin_goes_by_first_frame_and_gives_its_turn_as_the_reason() -> None:
    one, two = round_robin(list(reversed(jobs(2))), ["ann", "bob"], PolicyState())
    assert one == Choice(100, "ann", "round robin, turn 1 over 2")
    assert two == Choice(101, "bob", "round robin, turn 2 over 2")
