"""A completed job with faults goes back to its annotator before a reviewer sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

import pytest

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.causes import Kind
from labelyard.domain.job_faults import JobFault
from labelyard.domain.review import ReviewRules
from labelyard.domain.tasks import Issue, Job, JobStatus, JobStep
from labelyard.ledger import batches, reviews
from labelyard.operations.explain import explain
from labelyard.operations.figure_words import review_lines
from labelyard.operations.figures import read_figures
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.page_links import PageLinks
from labelyard.pipeline import review_jobs
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V1, V2, each_cvat
from tests.support.pictures import picture
from tests.support.workspace import FIRST, AtFailpoint, Workspace, draw_and_complete, export, ingest

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])
NO_AREA = "rectangle 'car' at 5, 5: its area is zero"


def start(workspace: Workspace, *, files: int = 1, checks: object = None, **review: object) -> None:
    """Ingest a batch whose jobs ann labels and bob reviews."""
    workspace.apply(annotators=["ann"], review={"reviewers": ["bob"], **review}, checks=checks or {})
    for number in range(files):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)


def job(workspace: Workspace) -> Job:
    return workspace.context.cvat("default").jobs(workspace.line().task_id or 0)[0]


def where(workspace: Workspace) -> tuple[str, str | None]:
    """Return the stage and state of the job, or its status on 1.0.0; and who has it."""
    one = job(workspace)
    names = {user.id: user.username for user in workspace.context.cvat("default").users()}
    return f"{one.stage} {one.state}" if one.stage else one.status.value, names.get(one.assignee or 0)


def draw_fault(workspace: Workspace, frame: int = 0, at: Iterable[float] = (5.0,)) -> None:
    """Draw rectangles without an area."""
    label = workspace.context.cvat("default").task(workspace.line().task_id or 0).labels[0]
    shapes = tuple(Shape(ShapeType.RECTANGLE, frame, label.id, (x, 5.0, x, 9.0)) for x in at)
    workspace.context.cvat("default").change_annotations(job(workspace).id, Change.CREATE, Annotations(shapes=shapes))


def repair(workspace: Workspace, at: float | None = None) -> None:
    """Delete what has no area; only what is at one place if that is given."""
    cvat, job_id = workspace.context.cvat("default"), job(workspace).id
    found = tuple(one for one in cvat.annotations(job_id).shapes if one.points[0] == one.points[2])
    faulty = tuple(one for one in found if at in (None, one.points[0]))
    cvat.change_annotations(job_id, Change.DELETE, Annotations(shapes=faulty))


def complete(workspace: Workspace) -> None:
    workspace.context.cvat("default").set_job_status(job(workspace).id, JobStatus.COMPLETED)


def issues(workspace: Workspace) -> list[Issue]:
    return workspace.context.cvat("default").issues(job(workspace).id)


@each_cvat
def test_a_faulty_job_goes_back_with_the_reasons_and_to_a_reviewer_once_it_is_repaired(
    workspace: Workspace, cvat_version: str
) -> None:
    start(workspace, files=2, share=0)
    draw_fault(workspace, frame=1)
    draw_and_complete(workspace)
    collect(workspace.context)
    assert where(workspace) == ("annotation" if cvat_version == V1 else "annotation rejected", "ann")
    if cvat_version != V1:
        [issue] = workspace.person("ann").issues(job(workspace).id)
        assert (issue.frame, issue.messages, issue.is_resolved) == (1, (f"labelyard check: {NO_AREA}",), False)
    said = f"the check sent it back in round 1: frame 1: {NO_AREA}"
    assert said in "\n".join(explain(workspace.context, FIRST)[0].now)
    with workspace.context.ledger.read_only() as tx:
        assert said in batch_markdown(tx, FIRST, PageLinks("", {}), UTC)[0]
    assert list(review_lines(read_figures(workspace.context.ledger), str)) == [
        "street-00001: 0 of 1 jobs accepted, 1 back with their annotators",
        *(f"sent back by the check {period}: ann 1" for period in ("today", "this week", "in two weeks")),
    ]
    assert collect(workspace.context).changed == (), "it is sent back once"

    complete(workspace)
    collect(workspace.context)
    assert "round 2: frame 1" in "\n".join(explain(workspace.context, FIRST)[0].now), "nothing was repaired"
    if cvat_version != V1:
        assert len(issues(workspace)) == 1, "it is still there"
    repair(workspace)
    complete(workspace)
    collect(workspace.context)
    assert where(workspace) == ("validation" if cvat_version == V1 else "validation new", "bob")
    if cvat_version != V1:
        assert [issue.is_resolved for issue in issues(workspace)] == [True]
    workspace.person("bob").set_job_status(job(workspace).id, JobStatus.COMPLETED)
    assert collect(workspace.context).completed == (FIRST,)
    assert export(workspace).left_out == 0


@each_cvat
def test_after_the_last_round_a_person_decides_about_the_faults(workspace: Workspace, cvat_version: str) -> None:
    start(workspace, rounds=1)
    draw_fault(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    assert where(workspace) == ("annotation" if cvat_version == V1 else "validation rejected", None)
    [cause] = [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.REVIEW]
    assert f"faulty in round 1, drawn by ann: frame 0: {NO_AREA}" in cause.reason
    assert collect(workspace.context).changed == ()
    complete(workspace)
    assert collect(workspace.context).completed == (FIRST,), "the lead has accepted it"
    assert export(workspace).left_out == 1


@on_cvat_2
def test_an_image_with_too_few_annotations_sends_its_job_back_if_that_is_an_error(workspace: Workspace) -> None:
    start(workspace, files=2, checks={"annotations_per_image": {"severity": "error"}})
    label = workspace.context.cvat("default").task(workspace.line().task_id or 0).labels[0]
    box = Shape(ShapeType.RECTANGLE, 0, label.id, (1.0, 2.0, 20.5, 30.25))
    workspace.context.cvat("default").change_annotations(job(workspace).id, Change.CREATE, Annotations(shapes=(box,)))
    complete(workspace)
    collect(workspace.context)
    assert [(one.frame, one.messages) for one in issues(workspace)] == [
        (1, ("labelyard check: the image has 0 annotations, and the dataset asks for 1",))
    ]


@on_cvat_2
def test_a_dataset_may_do_without_the_check(workspace: Workspace) -> None:
    start(workspace, check=False)
    draw_fault(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    assert where(workspace) == ("validation new", "bob")


class Killed(Exception):
    """Ends a step in the middle, as a crash does."""


def die() -> None:
    raise Killed


@on_cvat_2
@pytest.mark.parametrize("repaired", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("point", ["decided", "issue_written", "sent", "recorded"])
def test_a_look_that_dies_while_a_job_goes_back_is_continued_by_the_next_one(
    workspace: Workspace, at_failpoint: AtFailpoint, point: str, repaired: bool
) -> None:
    start(workspace)
    draw_fault(workspace)
    draw_and_complete(workspace)
    at_failpoint(review_jobs, f"review_jobs.{point}", die)
    with pytest.raises(Killed):
        collect(workspace.context)
    if repaired:
        repair(workspace)
        complete(workspace)
    collect(workspace.context)
    assert where(workspace) == (("validation new", "bob") if repaired else ("annotation rejected", "ann"))
    assert [one.is_resolved for one in issues(workspace)] == ([] if repaired and point == "decided" else [repaired])
    with workspace.context.ledger.read_only() as tx:
        [review], said = reviews.of_batch(tx, FIRST).values(), reviews.verdicts(tx, FIRST)
        assert (review.step, len(said)) == (None, 1)
    assert collect(workspace.context).changed == ()


@on_cvat_2
def test_what_a_person_does_while_faults_are_looked_for_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(workspace)
    draw_and_complete(workspace)
    cvat, find = workspace.context.cvat("default"), review_jobs.find_faults

    def find_faults(*of: Any) -> Mapping[int, tuple[JobFault, ...]]:
        found = find(*of)
        cvat.move_job(job(workspace).id, JobStep.ACCEPT, cvat.whoami().id)
        return found

    monkeypatch.setattr(review_jobs, "find_faults", find_faults)
    collect(workspace.context)
    monkeypatch.undo()
    assert where(workspace) == ("acceptance completed", "root")
    assert collect(workspace.context).completed == (FIRST,)


@on_cvat_2
def test_each_fault_has_one_issue_while_its_step_cannot_be_sent_and_a_repaired_one_none(workspace: Workspace) -> None:
    start(workspace)
    draw_fault(workspace, at=range(30, 52))
    draw_and_complete(workspace)
    workspace.sandbox.faults.set([{"on": f"PATCH /api/jobs/{job(workspace).id}", "status": 400}])
    collect(workspace.context)
    collect(workspace.context)
    words = [one.messages[0] for one in issues(workspace)]
    assert len(set(words)) == len(words) == 21
    assert words[-1] == "labelyard check: 2 more faults in this job"
    for x in range(32, 52):
        repair(workspace, at=x)
    collect(workspace.context)
    workspace.sandbox.faults.clear()
    collect(workspace.context)
    assert [one.messages[0] for one in issues(workspace) if not one.is_resolved] == words[:2]
    assert len(issues(workspace)) == 21, "what is repaired is not written again"
    assert where(workspace) == ("annotation rejected", "ann")


@on_cvat_2
def test_a_step_to_somebody_who_can_get_no_job_any_more_is_given_up(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    start(workspace)
    draw_fault(workspace)
    draw_and_complete(workspace)
    at_failpoint(review_jobs, "review_jobs.decided", die)
    with pytest.raises(Killed):
        collect(workspace.context)
    cvat = workspace.context.cvat("default")
    with workspace.context.ledger.read_only() as tx:
        batch = batches.get(tx, FIRST)
    usernames = {user.id: user.username for user in cvat.users()}
    task = cvat.task(workspace.line().task_id or 0)
    review_jobs.review_jobs(workspace.context, batch, task, usernames, {"bob"}, ReviewRules(("bob",)))
    assert where(workspace) == ("validation rejected", None), "ann has left the organization"
    assert any("ann can get no job, so" in entry.reason for entry in explain(workspace.context, FIRST)[0].history)
