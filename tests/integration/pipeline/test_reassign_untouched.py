"""Work that nobody has begun for `reassign_after` goes to somebody else, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard import failpoints
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import batches, history, jobs
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V2, each_cvat
from tests.support.own_process import collect_in_own_process
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, ingest


def begin(workspace: Workspace, **assignment: object) -> None:
    """Ingest a batch of two jobs, one for ann and one for bob."""
    workspace.apply(task={"segment_size": 1}, assignment={"reassign_after": "2d", **assignment})
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)
    assert who(workspace) == ["ann", "bob"]


def wait(workspace: Workspace, *numbers: int, days: float = 3) -> None:
    """Let jobs be assigned some days earlier."""
    with workspace.context.ledger.transaction() as tx:
        for number in numbers:
            row = jobs.of_batch(tx, FIRST)[number]
            row.assigned_at = tx.now - timedelta(days=days)


def who(workspace: Workspace) -> list[str | None]:
    cvat = workspace.context.cvat("default")
    names = {user.id: user.username for user in cvat.users()}
    return [names.get(job.assignee or 0) for job in cvat.jobs(workspace.line().task_id or 0)]


def draw(workspace: Workspace, number: int) -> None:
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    job = cvat.jobs(task.id)[number]
    shape = Shape(ShapeType.RECTANGLE, job.start_frame, task.labels[0].id, (1.0, 2.0, 20.5, 30.25))
    cvat.change_annotations(job.id, Change.CREATE, Annotations(shapes=(shape,)))


@pytest.mark.parametrize("cvat_version", [V2, pytest.param("1.0.0", marks=pytest.mark.slow)])
def test_an_untouched_job_goes_to_somebody_else_once_and_one_with_a_shape_stays(workspace: Workspace) -> None:
    begin(workspace)
    wait(workspace, 0, 1, days=1)
    assert collect(workspace.context).changed == (), "not yet"
    draw(workspace, 1)
    wait(workspace, 0, 1)
    assert collect(workspace.context).changed == (FIRST,)
    assert who(workspace) == ["bob", "bob"], "bob has begun the other one"
    with workspace.context.ledger.read_only() as tx:
        said = [entry.reason for entry in history.of_batch(tx, FIRST) if entry.what == "assigned"]
    assert said[-1].endswith(
        " to bob: ann had not begun it after 48 hours; round robin, turn 3 over 2, after ann, who cannot get it"
    )
    wait(workspace, 0, 1)
    assert collect(workspace.context).changed == ()
    assert who(workspace) == ["bob", "bob"], "once"


@pytest.mark.parametrize("cvat_version", [V2])
def test_an_untouched_job_stays_while_nobody_else_may_get_it(workspace: Workspace) -> None:
    begin(workspace, limit=1)
    wait(workspace, 0)
    assert collect(workspace.context).changed == ()
    assert who(workspace) == ["ann", "bob"]


@pytest.mark.slow
@each_cvat
@pytest.mark.parametrize("at", ["reassign_untouched.chosen", "assign_jobs.sent"])
def test_a_look_that_is_killed_is_completed_by_the_next_one(workspace: Workspace, at: str) -> None:
    begin(workspace)
    wait(workspace, 0)
    assert collect_in_own_process(workspace, at) == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now  # the lease of the dead process has expired
    collect(workspace.context)
    assert who(workspace) == ["bob", "bob"]
    assert collect(workspace.context).changed == ()


@pytest.mark.slow
@each_cvat
def test_a_job_that_is_completed_before_the_choice_is_sent_stays_with_its_annotator(workspace: Workspace) -> None:
    begin(workspace)
    wait(workspace, 0)
    assert collect_in_own_process(workspace, "reassign_untouched.chosen") == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now
    cvat = workspace.context.cvat("default")
    cvat.set_job_status(cvat.jobs(workspace.line().task_id or 0)[0].id, JobStatus.COMPLETED)
    collect(workspace.context)
    assert who(workspace) == ["ann", "bob"]
