from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.assignment import round_robin
from labelyard.domain.tasks import Job


def jobs(count: int) -> list[Job]:
    return [Job(100 + i, 1, i * 5, i * 5 + 4) for i in range(count)]


@given(st.integers(0, 40), st.integers(1, 6), st.integers(0, 100))
def test_nobody_gets_two_jobs_more_than_another(count: int, people: int, turn: int) -> None:
    names = [f"p{i}" for i in range(people)]
    choices = round_robin(jobs(count), names, turn)
    load = Counter(choice.annotator for choice in choices)
    assert {choice.job_id for choice in choices} == {job.id for job in jobs(count)}
    assert max((load[n] for n in names), default=0) - min(load[n] for n in names) <= 1


@given(st.lists(st.integers(0, 7), max_size=8), st.integers(1, 5))
def test_the_turn_carries_over_from_batch_to_batch(batches: list[int], people: int) -> None:
    names, turn, handed = [f"p{i}" for i in range(people)], 0, []
    for count in batches:
        handed += [choice.annotator for choice in round_robin(jobs(count), names, turn)]
        turn += count
    assert handed == [names[i % people] for i in range(len(handed))]


def test_the_first_frames_come_first_whatever_order_the_server_lists_jobs_in() -> None:
    one, two = round_robin(list(reversed(jobs(2))), ["ann", "bob"], 0)
    assert (one.job_id, one.annotator) == (100, "ann")
    assert (two.job_id, two.annotator) == (101, "bob")
