"""Waiting for CVAT's frames: what CVAT forgets, fails or does not finish, and what a run and its batch do then."""

from __future__ import annotations

from typing import Any

import pytest

from labelyard.errors import CreationFailed, CvatTimeout, LeaseTaken, TaskDiscarded
from labelyard.ledger import batches, history
from labelyard.operations.doctor.check import Installation, Status
from labelyard.operations.doctor.ledger import check_ledger
from labelyard.operations.status import problems, read_status, state_and_activity
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import UnfinishedTask, VerifiedTask, wait_for_status
from tests.support.cvat_families import each_cvat
from tests.support.waiting import eventually
from tests.support.workspace import FIRST, Workspace, assert_one_complete_task, ingest

_HORSE_KILLED = "Work-horse process was terminated unexpectedly (waitpid returned 9)"
_SLOW = {"on": "worker creation", "delay": 3600}


@pytest.fixture
def impatient(closed: Workspace) -> Workspace:
    """Three files in a closed batch, and little patience with CVAT."""
    settings = closed.context.settings
    settings.forgotten_seconds, settings.stalled_seconds = 0.3, -2.5  # and a second for each of the three files
    return closed


@pytest.fixture
def asks_once(closed: Workspace) -> Workspace:
    """Three files in a closed batch, and runs that ask CVAT once."""
    closed.context.settings.wait_seconds = 0
    return closed


def wait(workspace: Workspace) -> VerifiedTask | UnfinishedTask:
    """Do what flows/ingest_batch does until it has waited."""
    with acquire_batch(workspace.context, FIRST) as lease:
        create_task(lease)
        upload_data(lease)
        return wait_for_status(lease)


def status_lines(workspace: Workspace) -> str:
    """Return what `labelyard status` says below its table."""
    return "\n".join(problems(read_status(workspace.context.ledger)))


# --- what CVAT forgets ------------------------------------------------------------------------------------------------


@each_cvat
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"forget": "queue"}, "its queue was lost"),
        ({"forget": "worker"}, "its worker was killed"),
        ({"fail": _HORSE_KILLED}, "waitpid returned 9"),
    ],
    ids=["queue lost", "worker killed", "work-horse killed"],
)
def test_a_task_that_cvat_forgets_or_fails_without_naming_a_file_is_created_again(
    impatient: Workspace, fault: dict[str, Any], reason: str
) -> None:
    impatient.set_faults({"on": "worker creation", "times": 1, **fault})
    with pytest.raises(TaskDiscarded, match=reason):
        ingest(impatient)
    assert reason in (impatient.line().error or "")
    impatient.end_wait()
    ingest(impatient)
    assert_one_complete_task(impatient)


@each_cvat
def test_a_forgotten_task_is_recognised_by_runs_that_ask_once(asks_once: Workspace) -> None:
    asks_once.sandbox.faults.set([{"on": "worker creation", "times": 1, "forget": "queue"}])
    assert isinstance(wait(asks_once), UnfinishedTask)
    asks_once.context.settings.forgotten_seconds = 0.01
    asks_once.end_wait()
    with pytest.raises(TaskDiscarded, match="its queue was lost"):
        wait(asks_once)


def test_after_five_failures_that_name_no_file_the_batch_fails_with_the_words_of_the_server(
    closed: Workspace,
) -> None:
    closed.sandbox.faults.set([{"on": "worker creation", "fail": _HORSE_KILLED}])
    for _ in range(4):
        with pytest.raises(TaskDiscarded):
            ingest(closed)
        closed.end_wait()
    with pytest.raises(CreationFailed, match=r"waitpid returned 9.*task number 5") as caught:
        ingest(closed)
    assert "CVAT's workers" in caught.value.next_step
    assert (closed.line().state, closed.tasks_on_server()) == ("failed", 0)


def test_attempts_are_counted_again_after_a_person_retries_the_batch(closed: Workspace) -> None:
    closed.sandbox.faults.set([{"on": "worker creation", "fail": _HORSE_KILLED, "times": 6}])
    for _ in range(4):
        with pytest.raises(TaskDiscarded):
            ingest(closed)
        closed.end_wait()
    with pytest.raises(CreationFailed):
        ingest(closed)
    closed.retry()
    with pytest.raises(TaskDiscarded):
        ingest(closed)
    with closed.context.ledger.read_only() as tx:
        batch = batches.get(tx, FIRST)
        assert batch.not_before is not None
        assert (batch.not_before - tx.now).total_seconds() < 10, "the wait grows from the retry on"
    closed.end_wait()
    ingest(closed)
    assert_one_complete_task(closed)


# --- what CVAT fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", ["OSError: cannot identify image file '/home/django/data/data/1/raw/1.jpg'", "ValueError: 1.jpg: broken"]
)
def test_a_file_that_cvat_names_twice_is_quarantined_and_the_others_are_sent(closed: Workspace, message: str) -> None:
    closed.sandbox.faults.set([{"on": "worker creation", "fail": message, "times": 2}])
    with pytest.raises(TaskDiscarded, match=r"1\.jpg is sent once more"):
        ingest(closed)
    closed.end_wait()
    with pytest.raises(TaskDiscarded, match=r"1\.jpg is quarantined"):
        ingest(closed)
    closed.end_wait()
    ingest(closed)
    line = closed.line()
    assert (line.state, closed.frames(), list(line.quarantined)) == (
        "assigned",
        ["0.jpg", "2.jpg"],
        [closed.url("1.jpg")],
    )
    assert message in line.quarantined[closed.url("1.jpg")]


def test_a_sound_file_that_arrives_damaged_is_sent_again_and_not_quarantined(workspace: Workspace) -> None:
    """Seed 305891647 of the chaos runs: what arrived of the last file was too little to be an image."""
    workspace.put("1.jpg")
    workspace.close_batch()
    workspace.sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "short": 0.25, "times": 1}])
    with pytest.raises(TaskDiscarded, match=r"cannot identify .*1\.jpg is sent once more"):
        ingest(workspace)
    workspace.end_wait()
    ingest(workspace)
    assert (workspace.line().state, workspace.line().quarantined) == ("assigned", {})


def test_a_batch_whose_only_file_cvat_names_is_quarantined_without_a_task(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    workspace.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: truncated: 1.jpg", "times": 2}])
    for _ in range(2):
        with pytest.raises(TaskDiscarded):
            ingest(workspace)
        workspace.end_wait()
    with pytest.raises(Exception, match="all 1 objects are quarantined"):
        ingest(workspace)
    assert (workspace.line().state, workspace.tasks_on_server()) == ("quarantined", 0)


def test_a_full_disk_of_the_server_quarantines_no_file(closed: Workspace) -> None:
    full = "OSError: [Errno 28] No space left on device: '/home/django/data/data/1/raw/1.jpg'"
    closed.sandbox.faults.set([{"on": "worker creation", "fail": full, "times": 1}])
    with pytest.raises(TaskDiscarded, match="No space left"):
        ingest(closed)
    assert closed.line().quarantined == {}


@pytest.mark.slow
def test_a_server_that_names_one_file_after_the_other_fails_the_batch_before_all_are_quarantined(
    workspace: Workspace,
) -> None:
    for i in range(8):
        workspace.put(f"{i}.jpg")
    workspace.close_batch()
    for i in range(5):
        workspace.sandbox.faults.set([{"on": "worker creation", "fail": f"OSError: bad {i}.jpg"}])
        for named_before in (False, True):
            with pytest.raises(CreationFailed if i == 4 and named_before else TaskDiscarded):
                ingest(workspace)
            workspace.end_wait()
    assert (workspace.line().state, len(workspace.line().quarantined)) == ("failed", 5)
    assert "labelyard retry street-00001" in (workspace.line().next_step or "")


# --- what CVAT does not finish ----------------------------------------------------------------------------------------


def test_a_run_does_not_wait_long_for_frames_and_a_later_one_goes_on(asks_once: Workspace) -> None:
    asks_once.sandbox.faults.set([_SLOW])
    first = wait(asks_once)
    assert isinstance(first, UnfinishedTask)
    assert first.reason == "no frames yet (Started)"
    line = asks_once.line()
    assert (line.state, line.error, line.leased_by) == ("uploaded", None, None)
    assert line.not_before == first.next_run
    asks_once.end_wait()
    second = wait(asks_once)
    assert isinstance(second, UnfinishedTask)
    asks_once.sandbox.faults.stop()
    eventually(lambda: asks_once.context.cvat("default").task(first.task_id).size, "the frames", 10)
    asks_once.end_wait()
    ingest(asks_once)
    assert_one_complete_task(asks_once)
    with asks_once.context.ledger.read_only() as tx:
        assert "postponed" not in {entry.what for entry in history.of_batch(tx, FIRST)}, "waiting is no failure"


def test_status_says_what_cvat_does_since_when_and_when_it_is_asked_again(asks_once: Workspace) -> None:
    asks_once.sandbox.faults.set([_SLOW])
    found = wait(asks_once)
    assert isinstance(found, UnfinishedTask)
    line = asks_once.line()
    assert state_and_activity(line) == "uploaded (waiting for CVAT)"
    assert status_lines(asks_once) == (
        f"{FIRST}: task {found.task_id} has no frames yet; CVAT says since {line.progress_at:%H:%M:%S} UTC: Started;"
        f" asked again at {found.next_run:%H:%M:%S} UTC"
    )
    with pytest.raises(LeaseTaken, match=r"it waits until \S+ UTC for CVAT"), acquire_batch(asks_once.context, FIRST):
        pass


def test_doctor_names_an_upload_with_which_cvat_makes_no_progress(asks_once: Workspace) -> None:
    asks_once.sandbox.faults.set([_SLOW])
    found = wait(asks_once)
    installation = Installation(asks_once.context.settings, (asks_once.spec,))
    assert "uploads" not in {result.name for result in check_ledger(installation)}
    asks_once.context.settings.forgotten_seconds = 0.001
    result = next(result for result in check_ledger(installation) if result.name == "uploads")
    assert result.status is Status.WARNING
    assert f"{FIRST}, task {found.task_id} since" in result.message


def test_after_the_deadline_the_batch_says_so_and_is_still_asked_about(asks_once: Workspace) -> None:
    asks_once.sandbox.faults.set([_SLOW])
    wait(asks_once)
    asks_once.context.settings.upload_deadline_seconds = 0.01
    asks_once.end_wait()
    with pytest.raises(CvatTimeout, match="last seen: Started"):
        wait(asks_once)
    asks_once.sandbox.faults.stop()
    asks_once.end_wait()
    eventually(lambda: asks_once.line().task_id and asks_once.frames(), "the frames", 10)
    ingest(asks_once)
    assert_one_complete_task(asks_once)
