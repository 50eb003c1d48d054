"""A chaos run with process faults, from the command line: a full stack whose processes are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.process_plan import process_fault_plan
from tests.support.paths import ROOT

SEED = 20_055


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(900)
def test_a_run_with_killed_processes_violates_no_invariant(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.chaos", "--runs", "1", "--seed", str(SEED), "--json", str(result)]
    done = subprocess.run([*command, "--verbose"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(result.read_text())
    assert (written["runs"], written["clean"], written["unclean"]) == (1, 1, [])
    assert any(kind.startswith("kill -9") and times for kind, times in written["faults"].items())


def test_a_seed_always_gives_the_same_plan() -> None:
    assert process_fault_plan(7) == process_fault_plan(7)
    assert process_fault_plan(7) != process_fault_plan(8)
