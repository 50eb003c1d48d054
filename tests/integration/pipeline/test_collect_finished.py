"""Completed, reopened and changed tasks."""

from __future__ import annotations

from datetime import timedelta

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.attention import TRIED_IN_VAIN
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.tables import Export
from labelyard.operations import manual
from labelyard.pipeline import collect_finished
from labelyard.pipeline.collect_finished import collect
from tests.support.pictures import picture
from tests.support.workspace import (
    FIRST,
    AtFailpoint,
    Workspace,
    complete_and_export,
    draw_and_complete,
    export,
    finish_jobs,
    ingest,
)


def test_a_batch_with_any_change_is_reported_once(workspace: Workspace) -> None:
    workspace.put("1.jpg", picture(1))
    workspace.close_batch()
    ingest(workspace)
    cvat = workspace.context.cvat("default")
    [job] = cvat.jobs(workspace.line().task_id or 0)
    bob = next(user.id for user in cvat.users() if user.username == "bob")
    assert collect(workspace.context).changed == ()
    cvat.assign(job.id, bob)
    assert collect(workspace.context).changed == ("street-00001",)
    assert collect(workspace.context).changed == ()
    cvat.set_job_status(job.id, JobStatus.COMPLETED)
    assert collect(workspace.context).changed == ("street-00001",)


def test_a_job_reopened_after_the_export_leads_to_a_new_generation(closed: Workspace) -> None:
    ingest(closed)
    finish_jobs(closed)
    first = export(closed)
    cvat = closed.context.cvat("default")
    job = closed.line().jobs[0].id
    cvat.set_job_status(job, JobStatus.ANNOTATION)
    assert collect(closed.context).reopened == ("street-00001",)
    assert closed.line().state == "assigned"
    finish_jobs(closed)
    second = export(closed)
    assert (second.generation, second.annotations) == (2, 6)
    assert second.url != first.url
    assert closed.line().exports == [first.url, second.url]


def test_an_edit_after_the_export_in_a_completed_job_leads_to_another_export(closed: Workspace) -> None:
    ingest(closed)
    finish_jobs(closed)
    export(closed)
    assert collect(closed.context).completed == ()
    cvat = closed.context.cvat("default")
    task = cvat.task(closed.line().task_id or 0)
    late = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (3.0, 3.0, 9.0, 9.0))
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(late,)))
    assert collect(closed.context).completed == ("street-00001",)
    assert export(closed).generation == 2


def test_an_export_of_a_format_that_is_no_longer_written_is_not_repeated_for_ever(closed: Workspace) -> None:
    ingest(closed)
    complete_and_export(closed)
    with closed.context.ledger.transaction() as tx:
        values = {"format": "yolo", "generation": 1, "bucket": closed.bucket, "key": "out/1.zip", "sha256": "0"}
        old = tx.now - timedelta(days=1)
        more = {"source": "export", "images": 1, "annotations": 1, "task_updated": "2020", "tries": 1, "current": True}
        tx.add(Export(batch_id="street-00001", exported_at=old, **values, **more))
    assert collect(closed.context).completed == ()
    assert closed.line().state == "exported"


def test_an_export_that_finishes_during_the_collection_is_not_repeated(
    two_files: Workspace, at_failpoint: AtFailpoint
) -> None:
    ingest(two_files)
    draw_and_complete(two_files)
    collect(two_files.context)
    export(two_files)
    manual.quarantine(two_files.context, two_files.url("2.jpg"), "blurred")
    at_failpoint(collect_finished, "collect_finished.shown", lambda: export(two_files))
    assert collect(two_files.context).completed == ()
    assert two_files.line().state == "exported"


def test_a_deleted_task_is_shown_in_the_status_of_its_batch(two_files: Workspace) -> None:
    ingest(two_files)
    two_files.context.cvat("default").delete_task(two_files.line().task_id or 0)
    assert list(collect(two_files.context).failed or ()) == ["street-00001"]
    assert "there is no task" in (two_files.line().error or "")
    assert two_files.line().next_step == "labelyard apply street, which creates the task again"


def test_a_task_that_cannot_be_read_needs_a_person_once_and_the_batch_has_no_error_when_it_is_back(
    closed: Workspace,
) -> None:
    ingest(closed)
    closed.set_faults({"on": "GET /api/v1/tasks", "status": 404})
    assert [collect(closed.context).needs_person for _ in range(3)] == [(FIRST,), (), ()]
    assert "labelyard apply street" in (closed.line().next_step or "")
    closed.set_faults()
    assert collect(closed.context).failed == {}
    assert closed.line().error is None


def test_a_failure_that_a_later_attempt_may_cure_needs_a_person_only_when_it_lasts(closed: Workspace) -> None:
    ingest(closed)
    closed.set_faults({"on": "GET /api/v1/tasks", "status": 500})
    named = [collect(closed.context).needs_person for _ in range(TRIED_IN_VAIN + 1)]
    assert named == [(), (), (), (), (FIRST,), ()]
