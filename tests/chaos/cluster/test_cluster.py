"""A chaos run on three hosts, from the command line, and what its seed means."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.cluster.cluster_faults import cluster_faults
from tests.support.paths import ROOT

PARTS = {"worker", "watcher", "api", "services", "network", "redis", "postgres"}


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(1500)
def test_nothing_is_lost_when_each_part_of_a_cluster_dies_and_a_host_is_cut_off(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.chaos.cluster", "--json", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    faults = json.loads(result.read_text())["faults"]
    assert faults == {**{f"kill -9: {part}": 1 for part in sorted(PARTS - {"network"})}, "network cut": 1}


def test_a_seed_has_one_fault_of_each_kind_in_an_order_of_its_own() -> None:
    seed = random.SystemRandom().randrange(10**9)
    for one in range(seed, seed + 50):
        faults = cluster_faults(one, ["one", "two"])
        assert {fault.part.partition("-")[0] for fault in faults} == PARTS
        assert len(faults) == len(PARTS)
        assert faults == cluster_faults(one, ["one", "two"])
