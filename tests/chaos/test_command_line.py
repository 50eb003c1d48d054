"""The command line of the chaos runs: fresh seeds, which it prints, and a summary."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.chaos.__main__ import fresh_seed, repeat_command, summary
from tests.chaos.chaos_run import Outcome
from tests.support.paths import ROOT


@pytest.mark.slow
def test_it_prints_a_fresh_seed_that_repeats_the_runs() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--fast", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"seeds (\d+) to \1\n", done.stdout)
    assert "1 of 1 runs clean" in done.stdout


def test_two_fresh_seeds_differ() -> None:
    assert len({fresh_seed() for _ in range(20)}) > 1


def test_the_command_that_repeats_a_run_names_its_seed_and_its_kind_of_ledger() -> None:
    assert repeat_command(7, fast=True) == "python -m tests.chaos --fast --runs 1 --verbose --seed 7"
    assert repeat_command(7, "postgresql", fast=False) == (
        "python -m tests.chaos --ledger postgresql --runs 1 --verbose --seed 7"
    )


def test_the_summary_adds_up_faults_and_features_and_lists_unclean_runs() -> None:
    outcomes = [
        Outcome(2, ("a is lost", "b is lost"), Counter({"kill -9": 1}), 1.0, features=("review",)),
        Outcome(1, (), Counter({"kill -9": 2, "disk full": 1}), 1.0, features=("project", "review")),
    ]
    assert summary(outcomes) == {
        "runs": 2,
        "clean": 1,
        "features": {"project": 1, "review": 2},
        "faults": {"disk full": 1, "kill -9": 3},
        "unclean": [{"seed": 2, "violations": ["a is lost", "b is lost"]}],
    }
