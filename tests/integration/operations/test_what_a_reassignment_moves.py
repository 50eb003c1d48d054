"""What a plan or a person named is moved, and nothing else; it stays so, and a killed move is finished."""

from __future__ import annotations

import pytest

from labelyard import failpoints
from labelyard.domain.reassignment import HOW_TO_DECIDE
from labelyard.domain.tasks import JobKind
from labelyard.ledger import batches
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from labelyard.operations.reassign import reassign
from labelyard.pipeline.collect_finished import collect
from tests.integration.operations.test_reassign import begin, job, on_cvat_2, quality_jobs, who
from tests.support.own_process import reassign_in_own_process
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, draw_and_complete, finish_jobs, ingest

TRUTH_OF_BOB = {"ground_truth": {"frames": 1, "annotator": "bob"}}


@on_cvat_2
def test_apply_takes_the_ground_truth_alone_from_somebody_who_still_labels(workspace: Workspace) -> None:
    task = {"labels": ["car"], "segment_size": 1}
    workspace.apply(annotators=["ann", "bob"], task=task, quality=TRUTH_OF_BOB)
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)
    workspace.apply(annotators=["ann", "bob"], task=task, quality={})
    assert survey_tasks(workspace.context) == [], "the file names nobody in place of bob"
    section = {"ground_truth": {"frames": 1, "annotator": "root"}}
    workspace.apply(annotators=["ann", "bob"], task=task, quality=section)
    plan = survey_tasks(workspace.context)
    assert len(carry_out(workspace.context, plan).done) == 1
    task_id = workspace.line().task_id or 0
    assert who(workspace, *workspace.context.cvat("default").jobs(task_id)) == ["ann", "bob"]
    assert who(workspace, *quality_jobs(workspace, JobKind.GROUND_TRUTH)) == ["root"]


@on_cvat_2
def test_ground_truth_and_replicas_stay_with_whom_a_person_named(workspace: Workspace) -> None:
    begin(workspace, annotators=["ann", "bob"], quality={"replicas": 2, **TRUTH_OF_BOB})
    reassign(workspace.context, "bob", "root").require_complete()
    collect(workspace.context)
    assert survey_tasks(workspace.context) == [], "root is neither annotator nor has the ground truth in the file"
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["ann", "root"]


@on_cvat_2
@pytest.mark.parametrize("rejects", ["bob", "root"])
def test_a_repaired_job_goes_to_the_reviewer_whom_a_person_named(workspace: Workspace, rejects: str) -> None:
    begin(workspace, annotators=["ann"], review={"reviewers": ["bob"]})
    finish_jobs(workspace)
    if rejects == "root":
        reassign(workspace.context, "bob", "root").require_complete()
        collect(workspace.context)
        assert who(workspace, job(workspace)) == ["root"]
    workspace.person(rejects).reject_job(job(workspace).id)
    collect(workspace.context)
    if rejects == "bob":
        reassign(workspace.context, "bob", "root").require_complete()
    draw_and_complete(workspace)
    collect(workspace.context)
    collect(workspace.context)
    assert who(workspace, job(workspace)) == ["root"]


@pytest.mark.slow
@on_cvat_2
@pytest.mark.parametrize("to", [None, "root"])
def test_a_killed_move_of_replicas_is_finished_by_the_next_look(workspace: Workspace, to: str | None) -> None:
    begin(workspace, annotators=["ann", "bob"], quality={"replicas": 2})
    if to is None:
        workspace.apply(annotators=["ann", "root"], quality={"replicas": 2})
    status = reassign_in_own_process(workspace, "bob", "assign_quality_jobs.replaced", to=to)
    assert status == failpoints.EXIT_STATUS
    collect(workspace.context)
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["ann", "bob"], "the lease has not expired"
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now
    collect(workspace.context)
    assert who(workspace, *quality_jobs(workspace, JobKind.REPLICA)) == ["ann", "root"]
    assert survey_tasks(workspace.context) == []


@on_cvat_2
def test_what_somebody_has_to_decide_in_cvat_is_named_and_is_no_failure(workspace: Workspace) -> None:
    begin(workspace, annotators=["ann"], review={"reviewers": ["bob", "root"], "rounds": 1})
    finish_jobs(workspace)
    workspace.person("bob").reject_job(job(workspace).id)
    collect(workspace.context)
    found = reassign(workspace.context, "bob", "root")
    found.require_complete()
    [kept] = found.done[0].kept
    assert kept.what == f"job {job(workspace).id} stays with bob: a person has to decide about it"
    assert kept.next_step == HOW_TO_DECIDE
