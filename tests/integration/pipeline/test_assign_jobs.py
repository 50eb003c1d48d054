"""Who gets a job."""

from __future__ import annotations

import pytest

from labelyard.errors import CvatCrashed, SettingsError
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from tests.support.cvat_families import each_cvat
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

STEPS = (create_task, upload_data, wait_for_status, assign_jobs)


def test_a_job_that_a_person_assigned_in_cvat_keeps_its_assignee(closed: Workspace) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        for step in STEPS[:3]:
            step(lease)
        cvat = closed.context.cvat("default")
        bob = next(user.id for user in cvat.users() if user.username == "bob")
        [job] = cvat.jobs(closed.line().task_id or 0)
        cvat.assign(job.id, bob)
        assert [a.annotator for a in assign_jobs(lease).jobs] == ["bob"]
    assert closed.line().jobs[0].assignee == "bob"


def test_the_round_robin_continues_after_the_last_batch(workspace: Workspace) -> None:
    for i in range(3):
        workspace.put(f"{i}.jpg", picture(i))
        workspace.close_batch()
        ingest(workspace, f"street-0000{i + 1}")
    assert [workspace.line(f"street-0000{i}").jobs[0].assignee for i in (1, 2, 3)] == ["ann", "bob", "ann"]


def test_an_annotator_who_does_not_exist_is_named_and_the_others_get_the_jobs(workspace: Workspace) -> None:
    workspace.apply(annotators=["ann", "nobody-here"], task={"segment_size": 1})
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(9))
    workspace.close_batch()
    ingest(workspace)
    line = workspace.line()
    assert {job.assignee for job in line.jobs} == {"ann"}
    assert "nobody-here" in (line.warning or "")


def test_without_any_annotator_the_batch_waits_with_the_next_command(workspace: Workspace) -> None:
    workspace.apply(annotators=["nobody-here"])
    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(SettingsError, match="none of the annotators nobody-here"):
        ingest(workspace)
    assert "labelyard apply" in (workspace.line().next_step or "")
    assert workspace.line().state == "ready"


def test_annotators_applied_after_the_batch_closed_get_its_jobs(workspace: Workspace) -> None:
    workspace.apply(annotators=["nobody-here"])
    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(SettingsError, match="none of the annotators"):
        ingest(workspace)
    workspace.apply(annotators=["bob"])
    workspace.retry()
    ingest(workspace)
    assert [job.assignee for job in workspace.line().jobs] == ["bob"]


@each_cvat
def test_a_500_of_the_server_fails_no_batch_for_good(closed: Workspace) -> None:
    closed.set_faults({"on": "PATCH /api/v1/jobs/*", "status": 500, "times": 1})
    with pytest.raises(CvatCrashed):
        ingest(closed)
    assert closed.line().state == "ready"
    closed.end_wait()
    ingest(closed)
    assert closed.line().state == "assigned"
