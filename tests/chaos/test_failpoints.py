"""Failpoints: the table and the code agree, and a process that ends there, twice in a row, violates no invariant."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labelyard import failpoints
from labelyard.errors import SettingsError
from tests.chaos.environment import Environment
from tests.chaos.fast_runs import run_plan
from tests.chaos.fault_plan import (
    CREATE,
    DATA,
    DELAYED_EXPORT,
    MESSAGE_FAILPOINTS,
    PREDICTION_FAILPOINTS,
    PROJECT_FAILPOINTS,
    QUALITY_FAILPOINTS,
    REASSIGN_FAILPOINTS,
    RELEASE_FAILPOINTS,
    FaultPlan,
    FaultyUpload,
    Quality,
    WorkerFault,
)

pytestmark = pytest.mark.timeout(900)  # longer than a run that never comes to rest, which reports why

LABELYARD = Path(failpoints.__file__).parent
NO_FAULTS = FaultPlan(
    seed=0, uploads=tuple(FaultyUpload(f"a/{i}.jpg", i, 0.0, "once") for i in range(3)),
    max_objects=2, segment_size=0, lease_seconds=10.0, watchers=1, fault_seconds=60.0,
)  # fmt: skip
HALF_THE_FRAMES = {"cvat_faults": ({"on": DATA, "short": 0.5, "times": 2},)}
STALE_EXPORT = {"stale_export": True, "cvat_faults": (DELAYED_EXPORT,)}
DELETION = FaultyUpload("a/2.jpg", None, 0.0, "once", once_registered=True)
NO_IMAGE = {"uploads": (FaultyUpload("a/0.jpg", -1, 0.0, "once"),)}
_TRIES = 6
"""Some failpoints need a creation that takes effect between two requests; on a busy machine a run may miss that."""
LATE_CREATION = (
    {"on": CREATE, "delay": 1.3, "times": 1},
    {"on": "DELETE /api/v1/tasks/*", "delay": 0.8, "times": 1},  # the batch ends only after that creation
)
REPLICAS = {"quality": Quality(truth=1, replicas=2)}
REACHED_BY: Mapping[str, Mapping[str, Any]] = {
    **{name: {"predictions": {"a": "good"}} for name in PREDICTION_FAILPOINTS},
    **dict.fromkeys(QUALITY_FAILPOINTS, REPLICAS),
    "preannotate_task.skipped": {"predictions": {"a": "missing"}},
    "register_objects.deletions_written": {"uploads": (*NO_FAULTS.uploads, DELETION)},
    "watcher.dead_lettered": {"unreadable_message": True},
    "publish_events.republished": {"event_faults": ("lost", "lost")},
    "acquire_batch.failed": {"cvat_faults": ({"on": CREATE, "status": 503, "times": 4},)},
    "create_project.searched": {"project": True},
    "create_project.sent": {"project": True},
    "create_project.duplicate_deleted": {"project": True, "duplicate_tasks": True},
    "create_task.duplicate_deleted": {"duplicate_tasks": True},
    "assign_waiting_jobs.due": {"pool": True, "segment_size": 1, "max_objects": 3},
    "review_jobs.decided": {"review": True},
    "review_jobs.issue_written": {"review": True},
    "review_jobs.issue_resolved": {"review": True},
    "review_jobs.sent": {"review": True},
    "review_jobs.recorded": {"review": True},
    "wait_for_status.postponed": {"cvat_faults": ({"on": "worker creation", "delay": 2.0, "times": 2},)},
    "leftover_tasks.own_deleted": NO_IMAGE,
    "leftover_tasks.deleted": {**NO_IMAGE, "cvat_faults": LATE_CREATION},
    "leftover_tasks.quarantined": NO_IMAGE,
    "wait_for_status.discarding": HALF_THE_FRAMES,
    "wait_for_status.deleted": HALF_THE_FRAMES,
    "wait_for_status.discarded": HALF_THE_FRAMES,
    "export_annotations.marker_created": STALE_EXPORT,
    "export_annotations.marker_deleted": STALE_EXPORT,
}
"""The events that lead to a failpoint which an undisturbed batch does not pass."""

ELSEWHERE = (*RELEASE_FAILPOINTS, *REASSIGN_FAILPOINTS, *MESSAGE_FAILPOINTS)
"""Those of a release, of reassignments and of messages to people are in tests/integration."""
OF_BATCHES = [name for name in failpoints.FAILPOINTS if name not in ELSEWHERE]

NEVER_WITH_CVAT_1 = {
    *PROJECT_FAILPOINTS,
    *QUALITY_FAILPOINTS,
    "review_jobs.issue_written",
    "review_jobs.issue_resolved",
}
"""1.0.0 has neither projects nor quality control nor issues."""
NEVER_WITH_CVAT_2 = {"export_annotations.marker_created", "export_annotations.marker_deleted"}
"""Failpoints of the writes that invalidate 1.0.0's cached exports. The exports of 2.x are never stale."""


def test_every_failpoint_of_the_table_is_in_the_code_exactly_once_and_no_other_is() -> None:
    files = [file for file in LABELYARD.rglob("*.py") if file.name != "failpoints.py"]
    passed = Counter(name for file in files for name in re.findall(r'\bfailpoint\("([^"]*)"\)', file.read_text()))
    assert passed == Counter(dict.fromkeys(failpoints.FAILPOINTS, 1))
    assert REACHED_BY.keys() | NEVER_WITH_CVAT_2 <= failpoints.FAILPOINTS.keys()


def test_a_failpoint_does_nothing_unless_it_is_armed() -> None:
    failpoints.arm(None)
    for name in failpoints.FAILPOINTS:
        failpoints.failpoint(name)


@pytest.mark.parametrize("at", ["create_task.nowhere", "create_task.sent:soon", ":1"])
def test_an_unknown_failpoint_is_an_error_that_lists_the_known_ones(at: str) -> None:
    with pytest.raises(SettingsError, match="LABELYARD_FAILPOINT") as caught:
        failpoints.arm(at)
    assert "create_task.sent, " in caught.value.next_step


def test_a_process_ends_at_the_given_call_without_running_any_handler() -> None:
    script = (
        "import atexit, sys; from labelyard import failpoints\n"
        "atexit.register(print, 'handler')\nfailpoints.arm('create_task.sent:2')\n"
        "try:\n  for n in (1, 2, 3):\n    print(n, flush=True); failpoints.failpoint('create_task.sent')\n"
        "finally:\n  print('handler')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (failpoints.EXIT_STATUS, ["1", "2"])


def check(environment: Environment, name: str) -> None:
    seed = 10_000 + list(failpoints.FAILPOINTS).index(name)
    twice_in_a_row = 2 * (WorkerFault("watch", name), WorkerFault("run", name))
    plan = replace(NO_FAULTS, seed=seed, worker_faults=twice_in_a_row, **REACHED_BY.get(name, {}))
    for _ in range(_TRIES):
        outcome = run_plan(environment, plan)
        assert outcome.violations == (), outcome.log
        if outcome.faults["died at a failpoint"]:
            return
    pytest.fail(f"{name} was not reached in {_TRIES} runs: {outcome.log}")


@pytest.mark.slow  # the quick run of test_step_faults.py has a watcher and runs that die too
@pytest.mark.parametrize("name", [name for name in OF_BATCHES if name not in NEVER_WITH_CVAT_2])
def test_processes_that_end_twice_at_a_failpoint_violate_no_invariant(v2_environment: Environment, name: str) -> None:
    check(v2_environment, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OF_BATCHES if name not in NEVER_WITH_CVAT_1])
def test_processes_that_end_twice_at_a_failpoint_violate_no_invariant_with_cvat_1(
    environment: Environment, name: str
) -> None:
    check(environment, name)
