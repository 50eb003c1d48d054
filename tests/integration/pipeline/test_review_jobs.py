"""Reviews: a completed job goes to a reviewer, a rejected one back to its annotator; only accepted work is exported."""

from __future__ import annotations

import pytest

from labelyard.domain.tasks import Job, JobStatus, JobStep
from labelyard.errors import LabelyardError
from labelyard.ledger import reviews
from labelyard.pipeline import review_jobs
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V1, V2, each_cvat
from tests.support.pictures import picture
from tests.support.workspace import FIRST, AtFailpoint, Workspace, draw_and_complete, export, finish_jobs, ingest

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])


def start(workspace: Workspace, *, files: int = 1, **review: object) -> None:
    """Ingest a batch whose jobs ann labels and bob reviews."""
    workspace.apply(annotators=["ann"], review={"reviewers": ["bob"], **review})
    for number in range(files):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)


def job(workspace: Workspace) -> Job:
    cvat = workspace.context.cvat("default")
    return cvat.jobs(workspace.line().task_id or 0)[0]


def where(workspace: Workspace) -> tuple[str, str | None]:
    """Return the stage and state of the job, or its status on 1.0.0; and who has it."""
    one = job(workspace)
    names = {user.id: user.username for user in workspace.context.cvat("default").users()}
    return f"{one.stage} {one.state}" if one.stage else one.status.value, names.get(one.assignee or 0)


def said(workspace: Workspace) -> list[tuple[str | None, int, str]]:
    with workspace.context.ledger.read_only() as tx:
        return [(one.reviewer, one.round, one.verdict.value) for one in reviews.verdicts(tx, FIRST)]


def problem(workspace: Workspace) -> str:
    with workspace.context.ledger.read_only() as tx:
        [review] = reviews.of_batch(tx, FIRST).values()
        return review.problem or ""


@each_cvat
def test_a_rejected_job_goes_back_to_its_annotator_and_only_accepted_work_is_exported(
    workspace: Workspace, cvat_version: str
) -> None:
    in_review, in_repair, accepted = (
        ("validation", "annotation", "completed")
        if cvat_version == V1
        else ("validation new", "annotation rejected", "acceptance completed")
    )
    start(workspace)
    finish_jobs(workspace)
    assert (where(workspace), workspace.line().state) == ((in_review, "bob"), "assigned")
    with pytest.raises(LabelyardError, match="it is assigned"):
        export(workspace)

    bob, ann = workspace.person("bob"), workspace.person("ann")
    if cvat_version != V1:
        bob.create_issue(job(workspace).id, 0, (1, 2, 9, 12), "the left edge is loose")
    bob.reject_job(job(workspace).id)
    collect(workspace.context)
    assert (where(workspace), workspace.line().state) == ((in_repair, "ann"), "assigned")
    if cvat_version != V1:
        assert [one.messages for one in ann.issues(job(workspace).id)] == [("the left edge is loose",)]
        with workspace.context.ledger.read_only() as tx:
            [first] = reviews.verdicts(tx, FIRST)
            assert first.reasons == {"issues": [{"frame": 0, "message": "the left edge is loose"}]}

    ann.set_job_status(job(workspace).id, JobStatus.COMPLETED)
    assert collect(workspace.context).completed == ()
    assert where(workspace) == (in_review, "bob")
    bob.set_job_status(job(workspace).id, JobStatus.COMPLETED)
    assert collect(workspace.context).completed == (FIRST,)
    assert where(workspace) == (accepted, "bob")
    assert said(workspace) == [("bob", 1, "rejected"), ("bob", 2, "accepted")]
    assert export(workspace).annotations == 1
    assert collect(workspace.context).changed == (), "its last step does not make the export out of date"


@on_cvat_2
def test_after_the_last_round_a_person_decides(workspace: Workspace) -> None:
    start(workspace, rounds=1)
    finish_jobs(workspace)
    workspace.person("bob").reject_job(job(workspace).id)
    collect(workspace.context)
    assert where(workspace) == ("validation rejected", "bob")
    assert problem(workspace) == "rejected 1 times, at last by bob; drawn by ann"
    assert collect(workspace.context).changed == ()
    workspace.context.cvat("default").set_job_status(job(workspace).id, JobStatus.COMPLETED)
    assert collect(workspace.context).completed == (FIRST,)
    assert problem(workspace) == ""


@on_cvat_2
def test_what_a_person_changes_by_hand_wins(workspace: Workspace, at_failpoint: AtFailpoint) -> None:
    start(workspace)
    draw_and_complete(workspace)
    cvat = workspace.context.cvat("default")
    # While the step is on its way: the step is not done on top of the person's change.
    at_failpoint(review_jobs, "review_jobs.decided", lambda: None)
    root = cvat.whoami().id
    collect(workspace.context)
    cvat.assign(job(workspace).id, root)
    collect(workspace.context)
    assert where(workspace) == ("validation new", "root"), "another reviewer than the one of labelyard stays"
    cvat.move_job(job(workspace).id, JobStep.REPAIR, root)
    collect(workspace.context)
    cvat.set_job_status(job(workspace).id, JobStatus.COMPLETED)
    collect(workspace.context)
    assert said(workspace)[-1][0] == "root"
