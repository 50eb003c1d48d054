"""Some seeds of benchmarks/faults.py --fast, on both kinds of ledger."""

from __future__ import annotations

import pytest

from tests.chaos.environment import Lane
from tests.chaos.fast_runs import run_in_lane
from tests.chaos.fault_plan import plan


@pytest.mark.parametrize("seed", range(20_000, 20_016))
def test_nothing_is_lost_or_doubled_whatever_a_seed_does(lane: Lane, seed: int) -> None:
    outcome = run_in_lane(lane, plan(seed))
    assert outcome.differences == (), outcome.said


@pytest.mark.parametrize("seed", range(20_016, 20_032))
def test_nothing_is_lost_or_doubled_on_postgresql_either(postgres_lane: Lane, seed: int) -> None:
    outcome = run_in_lane(postgres_lane, plan(seed))
    assert outcome.differences == (), outcome.said


def test_a_seed_means_the_same_for_ever() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
