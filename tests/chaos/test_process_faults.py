"""A seed of benchmarks/faults.py as a person runs it: a whole labelyard, Prefect and all, whose parts are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.fault_plan import whole_plan

FAULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"
SEED = 20_055


@pytest.mark.prefect
@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_when_whole_processes_are_killed(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, str(FAULTS), "--runs", "1", "--lanes", "1", "--seed", str(SEED), "--json", str(result)]
    done = subprocess.run([*command, "--say"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())
    assert (told["runs"], told["clean"], told["unclean"]) == (1, 1, [])
    assert any(kind.startswith("kill -9") and times for kind, times in told["faults"].items())


def test_a_seed_means_the_same_for_ever() -> None:
    assert whole_plan(7) == whole_plan(7)
    assert whole_plan(7) != whole_plan(8)
