"""What CVAT forgets or fails without naming a file is made again as a new task."""

from __future__ import annotations

from typing import Any

import pytest

from labelyard.errors import CreationFailed, TaskDiscarded
from tests.support.workspace import Workspace, assert_one_complete_task, ingest

_HORSE_KILLED = "Work-horse process was terminated unexpectedly (waitpid returned 9)"


@pytest.fixture
def impatient(closed: Workspace) -> Workspace:
    """Three files in a closed batch, and little patience with CVAT."""
    settings = closed.context.settings
    settings.forgotten_seconds, settings.stalled_seconds = 0.3, -2.5  # and a second for each of the three files
    return closed


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"lose": "queue"}, "its queue was lost"),
        ({"lose": "worker"}, "its worker was killed"),
        ({"fail": _HORSE_KILLED}, "waitpid returned 9"),
    ],
    ids=["queue lost", "worker killed", "work-horse killed"],
)
def test_a_task_that_cvat_forgets_or_fails_without_naming_a_file_is_created_again(
    impatient: Workspace, fault: dict[str, Any], reason: str
) -> None:
    impatient.sandbox.faults.set([{"on": "worker creation", "times": 1, **fault}])
    with pytest.raises(TaskDiscarded, match=reason):
        ingest(impatient)
    assert reason in (impatient.line().error or "")
    impatient.retry()
    ingest(impatient)
    assert_one_complete_task(impatient)


def test_after_five_failures_that_name_no_file_the_batch_fails_with_the_words_of_the_server(
    closed: Workspace,
) -> None:
    closed.sandbox.faults.set([{"on": "worker creation", "fail": _HORSE_KILLED}])
    for _ in range(4):
        with pytest.raises(TaskDiscarded):
            ingest(closed)
        closed.retry()
    with pytest.raises(CreationFailed, match=r"waitpid returned 9.*task number 5") as caught:
        ingest(closed)
    assert "CVAT's workers" in caught.value.next_step
    assert (closed.line().state, closed.tasks_on_server()) == ("failed", 0)


def test_a_failure_that_names_a_file_of_the_batch_is_not_tried_again_unchanged(closed: Workspace) -> None:
    closed.sandbox.faults.set([{"on": "worker creation", "fail": "OSError: cannot identify image file '/d/1.jpg'"}])
    with pytest.raises(CreationFailed, match=r"1\.jpg"):
        ingest(closed)


@pytest.mark.parametrize("status", [403, 404])
def test_a_url_that_the_store_refuses_is_tried_again_with_fresh_urls(closed: Workspace, status: int) -> None:
    closed.apply(task={"upload": "remote"})
    closed.put("late.jpg")
    batch = closed.close_batch()
    refused = f"Exception: Failed to download http://s3/in/late.jpg: {status}"
    closed.sandbox.faults.set([{"on": "worker creation", "fail": refused, "times": 1}])
    with pytest.raises(TaskDiscarded, match=str(status)):
        ingest(closed, batch)
