"""Reviews: a completed job goes to a reviewer, a rejected one back to its annotator; only accepted work is exported."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from labelyard.context import open_context
from labelyard.domain.causes import Kind
from labelyard.domain.tasks import Job, JobStatus, JobStep
from labelyard.errors import LabelyardError
from labelyard.ledger import jobs, reviews
from labelyard.operations import adopt
from labelyard.operations.explain import explain
from labelyard.operations.figure_words import review_lines
from labelyard.operations.figures import read_figures
from labelyard.operations.plan import survey_tasks
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.page_links import PageLinks
from labelyard.pipeline import review_jobs
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V1, V2, each_cvat
from tests.support.fresh_ledger import create_ledger
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
    assert problem(workspace) == "rejected in the last round, 1, by bob; drawn by ann"
    assert collect(workspace.context).changed == ()
    workspace.context.cvat("default").set_job_status(job(workspace).id, JobStatus.COMPLETED)
    assert collect(workspace.context).completed == (FIRST,)
    assert problem(workspace) == ""


@on_cvat_2
def test_who_rejects_by_the_stage_in_the_last_round_begins_no_other(workspace: Workspace) -> None:
    start(workspace, rounds=1)
    finish_jobs(workspace)
    workspace.context.cvat("default").set_job_status(job(workspace).id, JobStatus.ANNOTATION)
    collect(workspace.context)
    assert where(workspace) == ("validation rejected", "bob")
    assert problem(workspace) == "rejected in the last round, 1, by bob; drawn by ann"
    assert collect(workspace.context).changed == ()
    assert said(workspace) == [("bob", 1, "rejected")]


class Killed(Exception):
    """Ends a step in the middle, as a crash does."""


def die() -> None:
    raise Killed


@on_cvat_2
@pytest.mark.parametrize("point", ["review_jobs.decided", "review_jobs.sent", "review_jobs.recorded"])
def test_a_run_that_dies_in_a_review_is_continued_by_the_next_look(
    workspace: Workspace, at_failpoint: AtFailpoint, point: str
) -> None:
    start(workspace)
    draw_and_complete(workspace)
    at_failpoint(review_jobs, point, die)
    with pytest.raises(Killed):
        collect(workspace.context)
    collect(workspace.context)
    assert where(workspace) == ("validation new", "bob")
    with workspace.context.ledger.read_only() as tx:
        [row], [review] = jobs.of_batch(tx, FIRST), reviews.of_batch(tx, FIRST).values()
        assert (row.manual, row.assignee, review.round, review.step) == (False, "bob", 1, None)
    assert collect(workspace.context).changed == ()


@on_cvat_2
def test_what_is_accepted_while_a_step_is_done_is_stored_before_the_batch_is_completed(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    start(workspace)
    draw_and_complete(workspace)
    cvat = workspace.context.cvat("default")
    root = cvat.whoami().id
    at_failpoint(review_jobs, "review_jobs.recorded", lambda: cvat.move_job(job(workspace).id, JobStep.ACCEPT, root))
    assert collect(workspace.context).completed == ()
    assert collect(workspace.context).completed == (FIRST,)
    assert said(workspace) == [("root", 1, "accepted")]


@on_cvat_2
def test_a_step_that_was_not_sent_is_given_up_when_a_person_has_changed_the_job(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    start(workspace)
    draw_and_complete(workspace)
    at_failpoint(review_jobs, "review_jobs.decided", die)
    with pytest.raises(Killed):
        collect(workspace.context)
    workspace.context.cvat("default").set_job_status(job(workspace).id, JobStatus.ANNOTATION)
    collect(workspace.context)
    assert where(workspace) == ("annotation in progress", "ann")
    assert any("a person has changed it" in entry.reason for entry in explain(workspace.context, FIRST)[0].history)


@on_cvat_2
def test_what_a_person_changes_wins(workspace: Workspace) -> None:
    start(workspace)
    finish_jobs(workspace)
    cvat = workspace.context.cvat("default")
    root = cvat.whoami().id
    cvat.assign(job(workspace).id, root)
    collect(workspace.context)
    assert where(workspace) == ("validation new", "root"), "the reviewer whom a person chose stays"
    cvat.move_job(job(workspace).id, JobStep.REPAIR, root)
    collect(workspace.context)
    assert where(workspace) == ("annotation rejected", "ann"), "only the stage was set back"
    cvat.move_job(job(workspace).id, JobStep.ACCEPT, root)
    assert collect(workspace.context).completed == (FIRST,), "a person may accept it at once"
    assert said(workspace) == [("root", 1, "rejected"), ("root", 1, "accepted")]
    export(workspace)
    cvat.set_job_status(job(workspace).id, JobStatus.ANNOTATION)
    assert collect(workspace.context).reopened == (FIRST,)
    collect(workspace.context)
    assert where(workspace) == ("annotation rejected", "ann"), "opened again, it goes to its annotator"


@on_cvat_2
def test_files_pages_and_commands_say_who_reviewed(workspace: Workspace) -> None:
    start(workspace, files=2)
    finish_jobs(workspace)
    figures = read_figures(workspace.context.ledger)
    assert next(iter(review_lines(figures, str))).startswith("1 job in review (bob 1), the oldest since")
    assert workspace.line().jobs[0].status is JobStatus.VALIDATION
    workspace.person("bob").reject_job(job(workspace).id)
    collect(workspace.context)
    draw_and_complete(workspace)
    collect(workspace.context)
    workspace.person("bob").set_job_status(job(workspace).id, JobStatus.COMPLETED)
    complete = collect(workspace.context).completed
    export(workspace, complete[0])

    ids = {user.username: user.id for user in workspace.context.cvat("default").users()}
    [of_file] = workspace.exported_document()["info"]["jobs"]
    assert (of_file["assignee"], of_file["reviewer"], of_file["rounds"]) == (ids["ann"], ids["bob"], 2)
    assert workspace.exported_document()["info"]["annotators"] == [ids["ann"]]
    figures = read_figures(workspace.context.ledger)
    periods = ("today", "this week", "in two weeks")
    assert list(review_lines(figures, str)) == [f"rejected {when}: ann 1 of 2" for when in periods]
    assert {one.name: one.images_today for one in figures.people} == {"ann": 2}, "who drew it has done it"
    now = "\n".join(explain(workspace.context, FIRST)[0].now)
    assert "accepted in round 2, by bob; drawn by ann; bob rejected it in round 1; bob accepted it in round 2" in now
    with workspace.context.ledger.read_only() as tx:
        page, _, _ = batch_markdown(tx, FIRST, PageLinks("", {}), UTC)
    assert "### Review" in page


@on_cvat_2
def test_a_job_that_nobody_can_review_needs_a_person_until_the_file_has_another_reviewer(workspace: Workspace) -> None:
    start(workspace, reviewers=["nobody-here"])
    finish_jobs(workspace)
    collect(workspace.context)
    [cause] = [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.REVIEW]
    assert "none of the reviewers nobody-here can review a job of ann" in cause.reason
    assert (workspace.line().state, where(workspace)[1]) == ("assigned", "ann")
    workspace.apply(annotators=["ann"], review={"reviewers": ["nobody-here", "bob"]})
    collect(workspace.context)
    assert where(workspace) == ("validation new", "bob")
    assert not [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.REVIEW]
    plan = survey_tasks(workspace.context)
    assert plan == [], "the reviewer is no annotator, and keeps the job all the same"


@on_cvat_2
def test_jobs_that_are_not_chosen_are_exported_without_a_review(workspace: Workspace) -> None:
    start(workspace, share=0)
    finish_jobs(workspace)
    assert (workspace.line().state, where(workspace)) == ("completed", ("annotation completed", "ann"))


@on_cvat_2
def test_what_was_exported_before_a_rebuild_is_not_reviewed_again(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply(annotators=["ann"])
    workspace.put("0.jpg", picture(0))
    workspace.close_batch()
    ingest(workspace)
    finish_jobs(workspace)
    export(workspace)
    url = create_ledger(tmp_path / "new.db")
    with open_context(workspace.context.settings.model_copy(update={"ledger": url})) as context:
        rebuilt = Workspace(context, workspace.bucket, workspace.s3, workspace.sandbox)
        rebuilt.apply(annotators=["ann"], review={"reviewers": ["bob"]})
        adopt.rebuild(context)
        assert collect(context).completed == (FIRST,)
        assert where(rebuilt) == ("annotation completed", "ann")
