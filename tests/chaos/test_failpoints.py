"""Crash points: the table and the code agree, each is reached, and whatever dies there, twice, nothing is lost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from labelyard import failpoints
from labelyard.errors import SettingsError
from tests.chaos.environment import Lane
from tests.chaos.fast_runs import run_in_lane
from tests.chaos.fault_plan import CREATE, DATA, LATE_EXPORT, File, Kill, Plan

LABELYARD = Path(failpoints.__file__).parent
QUIET = Plan(
    seed=0, files=tuple(File(f"{i}.jpg", i, 0.0, "once") for i in range(3)),
    max_objects=2, segment_size=0, lease=10.0, watchers=1, seconds=60.0,
)  # fmt: skip
LEADING_THERE = {
    "register_objects.deletions_written": {"files": (*QUIET.files, File("2.jpg", None, 0.0, "once", settled=True))},
    "watcher.dead_lettered": {"unreadable": True},
    "publish_events.republished": {"events": ("lost", "lost")},
    "acquire_batch.failed": {"cvat": ({"on": CREATE, "status": 503, "times": 4},)},
    "create_task.duplicate_deleted": {"twins": True},
    "wait_for_status.discarding": {"cvat": ({"on": DATA, "short": 0.5, "times": 2},)},
    "wait_for_status.deleted": {"cvat": ({"on": DATA, "short": 0.5, "times": 2},)},
    "wait_for_status.discarded": {"cvat": ({"on": DATA, "short": 0.5, "times": 2},)},
    "export_annotations.marker_created": {"stale": True, "cvat": (LATE_EXPORT,)},
    "export_annotations.marker_deleted": {"stale": True, "cvat": (LATE_EXPORT,)},
}
"""What has to happen for a point that the main job does not pass."""


def test_every_point_of_the_table_stands_once_in_the_code_and_no_other_does() -> None:
    files = [file for file in LABELYARD.rglob("*.py") if file.name != "failpoints.py"]
    placed = Counter(name for file in files for name in re.findall(r'\bpoint\("([^"]*)"\)', file.read_text()))
    assert placed == Counter(dict.fromkeys(failpoints.FAILPOINTS, 1))


def test_a_point_is_passed_unless_it_is_armed() -> None:
    failpoints.arm(None)
    for name in failpoints.FAILPOINTS:
        failpoints.failpoint(name)


@pytest.mark.parametrize("at", ["create_task.nowhere", "create_task.sent:soon", ":1"])
def test_what_names_no_point_is_refused_with_those_that_there_are(at: str) -> None:
    with pytest.raises(SettingsError, match="LABELYARD_FAILPOINT") as caught:
        failpoints.arm(at)
    assert "create_task.sent, " in caught.value.next_step


def test_a_process_ends_at_the_passing_that_is_named_and_nothing_of_it_outlives_that() -> None:
    script = (
        "import atexit, sys; from labelyard import failpoints\n"
        "atexit.register(print, 'outlived')\nfailpoints.arm('create_task.sent:2')\n"
        "try:\n  for n in (1, 2, 3):\n    print(n, flush=True); failpoints.failpoint('create_task.sent')\n"
        "finally:\n  print('outlived')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (failpoints.EXIT_STATUS, ["1", "2"])


@pytest.mark.parametrize("name", failpoints.FAILPOINTS)
def test_whatever_dies_at_a_point_and_there_again_nothing_is_lost_or_doubled(lane: Lane, name: str) -> None:
    seed = 10_000 + list(failpoints.FAILPOINTS).index(name)
    twice_in_a_row = 2 * (Kill("watch", name), Kill("run", name))
    plan = replace(QUIET, seed=seed, kills=twice_in_a_row, **LEADING_THERE.get(name, {}))
    outcome = run_in_lane(lane, plan)
    assert (outcome.differences, outcome.faults["died at a crash point"] > 0) == ((), True), outcome.said
