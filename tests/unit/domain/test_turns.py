"""Runs are spread over the workers."""

from __future__ import annotations

from collections import Counter

from labelyard.domain.turns import first_worker

RUNS = [f"run-{number}" for number in range(900)]


def test_each_worker_gets_its_share_and_all_of_them_name_the_same_one() -> None:
    shares = Counter(first_worker(run, ("a", "b", "c")) for run in RUNS)
    assert all(200 < shares[worker] < 400 for worker in "abc")
    assert shares == Counter(first_worker(run, {"c", "b", "a"}) for run in RUNS)


def test_only_the_runs_of_a_worker_that_is_gone_get_another_one() -> None:
    before = {run: first_worker(run, ("a", "b", "c")) for run in RUNS}
    assert all(first_worker(run, ("a", "b")) == before[run] for run in RUNS if before[run] != "c")
