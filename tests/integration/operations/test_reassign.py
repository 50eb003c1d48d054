"""Somebody goes away: their reviews, ground truth and replicas go to others, and what cannot is named."""

from __future__ import annotations

import pytest

from labelyard import failpoints
from labelyard.domain.tasks import Job, JobKind
from labelyard.errors import LabelyardError
from labelyard.ledger import batches, quality
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from labelyard.operations.reassign import reassign
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V1, V2, each_cvat
from tests.support.own_process import reassign_in_own_process
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, draw_and_complete, finish_jobs, ingest

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])


def begin(workspace: Workspace, **sections: object) -> None:
    """Ingest a batch of one file."""
    workspace.apply(**sections)
    workspace.put("0.jpg", picture(0))
    workspace.close_batch()
    ingest(workspace)


def job(workspace: Workspace) -> Job:
    return workspace.context.cvat("default").jobs(workspace.line().task_id or 0)[0]


def who(workspace: Workspace, *jobs: Job) -> list[str | None]:
    names = {user.id: user.username for user in workspace.context.cvat("default").users()}
    return [names.get(one.assignee or 0) for one in jobs]


def quality_jobs(workspace: Workspace, kind: JobKind) -> list[Job]:
    task = workspace.context.cvat("default").task(workspace.line().task_id or 0)
    return [one for one in task.quality_jobs if one.kind is kind]


@each_cvat
def test_reviews_go_to_another_reviewer_and_never_to_the_annotator(workspace: Workspace, cvat_version: str) -> None:
    begin(workspace, annotators=["ann"], review={"reviewers": ["bob", "root"]})
    finish_jobs(workspace)
    assert who(workspace, job(workspace)) == ["bob"]
    [moved] = reassign(workspace.context, "bob").done
    assert [(one.annotator, one.reason) for one in moved.jobs] == [("root", "to review it")]
    assert (job(workspace).stage, *who(workspace, job(workspace))) == (
        "" if cvat_version == V1 else "validation",
        "root",
    )
    assert collect(workspace.context).changed == (), "it stays with them"
    drawn_by_them = reassign(workspace.context, "root", "ann")
    with pytest.raises(LabelyardError, match=r"the review of job .* stays with root: ann drew it") as error:
        drawn_by_them.require_complete()
    assert error.value.next_step.startswith("name another person with labelyard reassign root --to")

    workspace.person("root").reject_job(job(workspace).id)
    collect(workspace.context)
    assert who(workspace, job(workspace)) == ["ann"]
    assert [one.annotator for one in reassign(workspace.context, "root").done[0].jobs] == ["bob"]
    assert who(workspace, job(workspace)) == ["ann"], "its annotator repairs it"
    draw_and_complete(workspace)
    collect(workspace.context)
    assert who(workspace, job(workspace)) == ["bob"]


@on_cvat_2
def test_replicas_and_ground_truth_go_to_others_and_nobody_gets_two_replicas_of_a_job(workspace: Workspace) -> None:
    section = {"replicas": 2, "ground_truth": {"frames": 1, "annotator": "bob"}}
    begin(workspace, annotators=["ann", "bob", "root"], quality=section)
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["ann", "bob"]
    reassign(workspace.context, "ann").require_complete()
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["root", "bob"]
    with pytest.raises(LabelyardError, match=r"replica .* stays with root: everybody else .* has a replica of job"):
        reassign(workspace.context, "root", "bob").require_complete()
    found = reassign(workspace.context, "bob")
    with pytest.raises(LabelyardError, match=r"ground-truth job .* stays with bob: the dataset file names nobody else"):
        found.require_complete()
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["root", "ann"]
    reassign(workspace.context, "bob", "ann").require_complete()
    assert who(workspace, *quality_jobs(workspace, JobKind.GROUND_TRUTH)) == ["ann"]


@pytest.mark.slow
@on_cvat_2
@pytest.mark.parametrize("at", ["replaced", "sent"])
def test_a_reassignment_that_was_killed_is_completed_by_the_next_one(workspace: Workspace, at: str) -> None:
    begin(workspace, annotators=["ann", "bob", "root"], quality={"replicas": 2})
    assert reassign_in_own_process(workspace, "ann", f"assign_quality_jobs.{at}") == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now  # the lease of the dead process has expired
    reassign(workspace.context, "ann")
    replicas = quality_jobs(workspace, JobKind.REPLICA)
    assert who(workspace, *replicas) == ["root", "bob"]
    with workspace.context.ledger.read_only() as tx:
        rows = {row.server_id: row.chosen_assignee for row in quality.of_batch(tx, FIRST)}
    assert [rows[one.id] for one in replicas] == ["root", "bob"]


@on_cvat_2
def test_apply_moves_the_replicas_and_the_ground_truth_of_people_who_are_gone(workspace: Workspace) -> None:
    section = {"replicas": 2, "ground_truth": {"frames": 1, "annotator": "bob"}}
    begin(workspace, annotators=["ann", "bob"], quality=section)
    assert survey_tasks(workspace.context) == []
    workspace.apply(
        annotators=["ann", "root"], quality={"replicas": 2, "ground_truth": {"frames": 1, "annotator": "root"}}
    )
    replica, truth = plan = survey_tasks(workspace.context)
    assert f"bob is no annotator any more and has job {quality_jobs(workspace, JobKind.REPLICA)[1].id} " in str(replica)
    [job_id] = [one.id for one in quality_jobs(workspace, JobKind.GROUND_TRUTH)]
    assert f"bob is not the ground-truth annotator any more and has job {job_id} " in str(truth)
    assert len(carry_out(workspace.context, plan).done) == 2
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["ann", "root"]
    assert who(workspace, *quality_jobs(workspace, JobKind.GROUND_TRUTH)) == ["root"]
    assert survey_tasks(workspace.context) == []
