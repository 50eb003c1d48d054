"""`quality:` on CVAT 2.x: ground truth, honeypots and replicas, from the upload to the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.states import BatchState, TaskState
from labelyard.domain.tasks import Job, JobKind, JobStatus, Task
from labelyard.ledger import batches, quality, tasks
from labelyard.ledger.quality_tables import QualityJob, QualityReport
from labelyard.ledger.situation import read_situation
from labelyard.operations.plan import survey_tasks
from labelyard.orchestration.batch_quality import quality_markdown
from labelyard.orchestration.release_artifact import release_markdown
from labelyard.pipeline.check_quality import Checked, check_quality
from labelyard.pipeline.collect_finished import collect
from labelyard.releases.quality import read_quality
from labelyard.releases.verification import verify
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.releasing import folder, release
from tests.support.sandbox_client_v2 import login
from tests.support.workspace import (
    FIRST,
    Workspace,
    complete_and_export,
    draw_and_complete,
    export,
    finish_jobs,
    ingest,
)

TRUTH = {"frames": 2, "annotator": "bob"}
BOX = (1.0, 2.0, 20.5, 30.25)
"""The box that people draw on every frame in these tests."""


@pytest.fixture
def cvat_version() -> str:
    return V2


def begin(workspace: Workspace, files: int = 4, segment_size: int = 0, **section: object) -> Task:
    """Ingest a batch of a dataset with this section `quality`; return its task."""
    workspace.apply(quality=section, task={"segment_size": segment_size})
    for number in range(files):
        workspace.put(f"{number}.jpg", picture(number))
    ingest(workspace, workspace.close_batch())
    return task_of(workspace)


def task_of(workspace: Workspace) -> Task:
    return workspace.context.cvat("default").task(workspace.line().task_id or 0)


def of_kind(task: Task, kind: JobKind) -> list[Job]:
    return [job for job in task.quality_jobs if job.kind is kind]


def known(workspace: Workspace) -> tuple[list[QualityJob], QualityReport | None]:
    with workspace.context.ledger.read_only() as tx:
        return list(quality.of_batch(tx, FIRST)), quality.report_of(tx, FIRST)


def draw(workspace: Workspace, job: Job, frames: list[int], box: tuple[float, ...] = BOX) -> None:
    label = task_of(workspace).labels[0].id
    shapes = tuple(Shape(ShapeType.RECTANGLE, frame, label, box) for frame in frames)
    workspace.context.cvat("default").change_annotations(job.id, Change.CREATE, Annotations(shapes=shapes))


def accept(workspace: Workspace, job: Job) -> None:
    with login(workspace.sandbox.url, "root") as http:
        body = {"stage": "acceptance", "state": "completed"}
        http.patch(f"/jobs/{job.id}", json=body).raise_for_status()


def check(workspace: Workspace) -> Checked:
    """Do what flows/collect_finished does."""
    collect(workspace.context)
    return check_quality(workspace.context)


def page(workspace: Workspace) -> str:
    with workspace.context.ledger.read_only() as tx:
        return quality_markdown(tx, FIRST, "http://cvat/tasks/1")


def truth_frames(workspace: Workspace, job: Job) -> list[int]:
    with login(workspace.sandbox.url, "root") as http:
        found: list[int] = http.get(f"/jobs/{job.id}/data/meta").json()["included_frames"]
    return found or list(range(job.start_frame, job.stop_frame + 1))


def test_ground_truth_is_assigned_to_its_person_and_compared_once_it_is_accepted(workspace: Workspace) -> None:
    task = begin(workspace, ground_truth=TRUTH)
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    users = {user.id: user.username for user in workspace.context.cvat("default").users()}
    assert (len(task.jobs), users[truth.assignee or 0]) == (1, "bob")
    assert workspace.line().warning is None
    complete_and_export(workspace)
    assert len(workspace.exported_keys()) == 4
    frames = truth_frames(workspace, truth)
    draw(workspace, truth, frames[:1])
    assert not check(workspace).reports, "the ground truth is not accepted"
    assert "once the ground-truth job is completed and accepted" in page(workspace)
    accept(workspace, truth)
    assert check(workspace).reports == [FIRST]
    assert workspace.line().state == "exported", "ground truth is no change of the dataset"
    assert not check(workspace).reports, "one report for the same work"
    [job], report = known(workspace)
    assert job.accepted
    assert report is not None
    assert report.figures is not None
    assert report.figures["task"] == {"frames": 2, "accuracy": 0.5, "precision": 0.5, "recall": 1.0, "conflicts": 1}
    assert "| 50.0% | 50.0% | 100.0% | 1 |" in page(workspace)


def test_changed_annotations_are_exported_and_compared_again(workspace: Workspace) -> None:
    task = begin(workspace, ground_truth=TRUTH)
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    complete_and_export(workspace)
    draw(workspace, truth, truth_frames(workspace, truth))
    accept(workspace, truth)
    check(workspace)
    draw(workspace, task.jobs[0], [0])
    assert check(workspace).reports == [FIRST]
    assert workspace.line().state == "completed"


def test_a_release_has_the_reports_of_its_batches_and_a_later_report_makes_no_other_release(
    workspace: Workspace, tmp_path: Path
) -> None:
    task = begin(workspace, ground_truth=TRUTH)
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    complete_and_export(workspace)
    first = release(workspace)
    assert (first.number, first.quality) == (1, {})
    draw(workspace, truth, truth_frames(workspace, truth)[:1])
    accept(workspace, truth)
    check(workspace)
    assert not release(workspace).is_new, "the data are the same"
    draw(workspace, task.jobs[0], [0])
    check(workspace)
    export(workspace)
    second = release(workspace)
    assert second.is_new
    assert second.quality["accuracy against ground truth"].endswith(" % on 2 frames of 1 batches")
    assert second.quality == release(workspace).quality, "of the newest one, if there is no other"
    at = folder(workspace, tmp_path / "release", 2)
    assert verify(at).faults == ()
    [found] = read_quality(at)
    assert (found.batch, found.current, [one.job for one in found.jobs]) == (FIRST, True, [task.jobs[0].id])
    assert found.jobs[0].annotator == task.jobs[0].assignee
    assert "quality.json" in (at / "README.md").read_text()
    assert "accuracy against ground truth" in release_markdown(second)


def test_honeypots_are_no_files_and_what_is_drawn_on_them_is_not_exported(workspace: Workspace) -> None:
    task = begin(workspace, 8, segment_size=3, ground_truth=TRUTH, honeypots=1)
    assert (task.size, len(task.jobs)) == (8 + 2, 2), "two jobs of three frames, each with one copy"
    assert workspace.line().state == "assigned"
    pool = {frame.name for frame in workspace.context.cvat("default").frames(task.id)[-2:]}
    complete_and_export(workspace)
    assert {key.removeprefix("in/") for key in workspace.exported_keys()} == {f"{n}.jpg" for n in range(8)} - pool
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    draw(workspace, truth, truth_frames(workspace, truth))
    accept(workspace, truth)
    assert check(workspace).reports == [FIRST]
    _, report = known(workspace)
    assert report is not None
    assert report.figures is not None
    assert (report.figures["task"]["accuracy"], len(report.figures["jobs"])) == (1.0, 2)


def test_a_task_with_honeypots_is_found_again_after_a_lost_ledger(workspace: Workspace) -> None:
    task = begin(workspace, 8, segment_size=3, ground_truth=TRUTH, honeypots=1)
    with workspace.context.ledger.transaction() as tx:
        row = tasks.current(tx, FIRST)
        assert row is not None
        row.state, row.server_id, row.upload_begun_at, row.request_id = TaskState.PLANNED, None, None, None
        batches.get(tx, FIRST).state = BatchState.CLOSED
    ingest(workspace)
    assert (workspace.tasks_on_server(), workspace.line().task_id) == (1, task.id)


def test_replicas_go_to_different_people_and_are_merged_once_all_are_completed(workspace: Workspace) -> None:
    task = begin(workspace, 2, segment_size=1, replicas=2)
    replicas = of_kind(task, JobKind.REPLICA)
    for parent in task.jobs:
        own = {job.assignee for job in replicas if job.parent == parent.id}
        assert len(own) == 2, "two people"
        assert parent.assignee is None
    assert not survey_tasks(workspace.context), "the jobs themselves are for nobody"
    with workspace.context.ledger.read_only() as tx:
        [batch] = read_situation(tx).batches
    assert {job.id: job.assignee for job in batch.jobs}.keys() == {job.id for job in replicas}
    assert not batch.jobs_of_nobody
    cvat = workspace.context.cvat("default")
    for job in replicas[:-1]:
        draw(workspace, job, [job.start_frame])
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    assert check(workspace).merged == [FIRST]
    assert workspace.line().state == "assigned"
    draw(workspace, replicas[-1], [replicas[-1].start_frame])
    cvat.set_job_status(replicas[-1].id, JobStatus.COMPLETED)
    check(workspace)
    collect(workspace.context)
    assert workspace.line().state == "completed"
    export(workspace)
    assert len(workspace.exported_document()["annotations"]) == 2, "one of each job, not of each replica"
    cvat.set_job_status(task.jobs[0].id, JobStatus.ANNOTATION)
    check(workspace)
    assert not check(workspace).merged, "a reopened job is not merged again: people correct it"


def test_what_somebody_drew_in_the_job_itself_is_never_replaced_by_a_merge(workspace: Workspace) -> None:
    task = begin(workspace, 1, replicas=2)
    draw(workspace, task.jobs[0], [0], (5.0, 5.0, 6.0, 6.0))
    for job in of_kind(task, JobKind.REPLICA):
        draw(workspace, job, [0])
        workspace.context.cvat("default").set_job_status(job.id, JobStatus.COMPLETED)
    check(workspace)
    assert [shape.points for shape in workspace.context.cvat("default").annotations(task.jobs[0].id).shapes] == [
        (5.0, 5.0, 6.0, 6.0)
    ]


def test_one_who_cannot_get_the_ground_truth_is_named_and_the_job_stays_free(workspace: Workspace) -> None:
    task = begin(workspace, ground_truth={"frames": "50%", "annotator": "zoe"})
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    assert (truth.assignee, len(truth_frames(workspace, truth))) == (None, 2)
    assert "has no user zoe" in (workspace.line().warning or "")
    [free] = survey_tasks(workspace.context)
    assert f"job {truth.id} has no assignee" in str(free)


def test_a_report_that_cvat_cannot_make_is_asked_for_again_when_the_work_has_changed(workspace: Workspace) -> None:
    task = begin(workspace, ground_truth=TRUTH)
    [truth] = of_kind(task, JobKind.GROUND_TRUTH)
    draw(workspace, truth, truth_frames(workspace, truth))
    accept(workspace, truth)
    finish_jobs(workspace)
    workspace.sandbox.faults.set([{"on": "POST /api/quality/reports", "status": 400, "times": 9}])
    assert FIRST in check_quality(workspace.context).failed
    assert not check(workspace).failed
    assert "could not make the last report" in page(workspace)
    workspace.sandbox.faults.set([])
    draw_and_complete(workspace)
    assert check(workspace).reports == [FIRST]


def test_after_a_lost_response_to_the_last_request_nothing_is_sent_again(workspace: Workspace) -> None:
    lost = {"on": "POST /api/tasks/*/data", "cut": True, "when": "after", "times": 1, "skip": 2}
    workspace.sandbox.faults.set([lost])
    task = begin(workspace, ground_truth=TRUTH, honeypots=1)
    assert (workspace.tasks_on_server(), task.size, workspace.line().state) == (1, 4 + 1, "assigned")
