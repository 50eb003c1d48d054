"""Chaos runs with step faults, on both kinds of ledger: a fixed seed for each CVAT, and in the slow tier fresh ones.

The seed of the quick run kills and stops runs, ends a watcher at a failpoint, and has a fault of CVAT.
"""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import fresh_seed, repeat_command
from tests.chaos.environment import Environment
from tests.chaos.fast_runs import run_plan
from tests.chaos.step_plan import step_fault_plan

pytestmark = pytest.mark.timeout(900)  # longer than a run that never comes to rest, which reports why

FRESH_SEEDS = 12


def check(environment: Environment, seed: int, ledger: str) -> None:
    outcome = run_plan(environment, step_fault_plan(seed))
    repeat = repeat_command(seed, ledger, environment.cvat_version, fast=True)
    assert outcome.violations == (), "\n".join([*outcome.log, f"repeat it: {repeat}"])


@pytest.mark.slow
def test_a_run_on_sqlite_violates_no_invariant(environment: Environment) -> None:
    check(environment, 20_000, "sqlite")


def test_a_run_with_cvat_2_violates_no_invariant(v2_environment: Environment) -> None:
    check(v2_environment, 20_059, "sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("run", range(FRESH_SEEDS))
def test_a_run_of_a_fresh_seed_on_sqlite_violates_no_invariant(environment: Environment, run: int) -> None:
    check(environment, fresh_seed(), "sqlite")


@pytest.mark.slow
@pytest.mark.parametrize("run", range(FRESH_SEEDS))
def test_a_run_of_a_fresh_seed_on_postgresql_violates_no_invariant(postgres_environment: Environment, run: int) -> None:
    check(postgres_environment, fresh_seed(), "postgresql")


@pytest.mark.slow
@pytest.mark.parametrize("run", range(FRESH_SEEDS))
def test_a_run_of_a_fresh_seed_with_cvat_2_violates_no_invariant(v2_environment: Environment, run: int) -> None:
    check(v2_environment, fresh_seed(), "sqlite")


def test_a_seed_always_gives_the_same_plan() -> None:
    assert step_fault_plan(7) == step_fault_plan(7)
    assert step_fault_plan(7) != step_fault_plan(8)
