"""Annotators whom CVAT does not have or who are away, and tasks that are gone: they stop nobody else's work."""

from __future__ import annotations

import pytest

from labelyard.domain.causes import Kind
from labelyard.ledger import history, jobs
from labelyard.operations import absences
from labelyard.operations.apply import carry_out
from labelyard.operations.figures import read_figures
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline import assign_waiting_jobs
from labelyard.pipeline.collect_finished import collect
from tests.support.assigning import POOL, begin, complete, who
from tests.support.cvat_families import V2
from tests.support.workspace import FIRST, Workspace

pytestmark = pytest.mark.parametrize("cvat_version", [V2])


def test_a_job_that_nobody_can_ever_get_needs_a_person_and_the_plan_assigns_it_later(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", assignment=POOL)
    complete(workspace, 0)
    complete(workspace, 1)
    workspace.apply(task={"segment_size": 1}, assignment=POOL, annotators=["ghost"])
    for _ in range(2):
        collect(workspace.context)
    [cause] = [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.NOBODY]
    assert cause.objects == 1
    with workspace.context.ledger.read_only() as tx:
        said = [entry.reason for entry in history.of_batch(tx, FIRST) if entry.what == "waits"]
    assert said[-1].endswith(", no more: default has none of the annotators ghost")
    workspace.apply(task={"segment_size": 1}, assignment=POOL, annotators=["bob"])
    carry_out(workspace.context, survey_tasks(workspace.context))
    assert who(workspace)[2] == "bob"


def test_a_missing_annotator_gives_looks_no_work(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(workspace, "a.jpg", "b.jpg", assignment=POOL, annotators=["ann", "ghost"])
    assert who(workspace) == ["ann", None]
    reached = list[str]()
    monkeypatch.setattr(assign_waiting_jobs, "failpoint", reached.append)
    assert collect(workspace.context).changed == ()
    assert reached == [], "no batch is due"
    complete(workspace, 0)
    collect(workspace.context)
    assert (who(workspace), reached) == (["ann", "ann"], ["assign_waiting_jobs.due"])


def test_a_deleted_task_counts_for_no_limit_and_holds_up_no_newer_batch(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", assignment=POOL)
    begin(workspace, "d.jpg", batch="street-00002", assignment=POOL)
    assert who(workspace, "street-00002") == [None]
    workspace.context.cvat("default").delete_task(workspace.line().task_id or 0)
    for _ in range(2):
        collect(workspace.context)
    assert who(workspace, "street-00002") != [None], "neither the limit nor the job that waits counts"


def test_an_unsent_choice_of_somebody_who_has_left_is_made_again(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", assignment=POOL)
    with workspace.context.ledger.transaction() as tx:
        row = jobs.of_batch(tx, FIRST)[2]
        row.chosen_assignee, row.waits_since, row.choice_reason = "zoe", None, "chosen before a crash"
    complete(workspace, 0)
    collect(workspace.context)
    assert who(workspace)[2:] == ["ann", None]


def test_who_is_away_gets_no_replicas_while_enough_others_are_there(workspace: Workspace) -> None:
    sections = {"annotators": ["ann", "bob", "root"], "quality": {"replicas": 2}}
    workspace.apply(task={"segment_size": 1}, **sections)
    absences.away(workspace.context.ledger, "bob", None)
    begin(workspace, "a.jpg", "b.jpg", **sections)
    cvat = workspace.context.cvat("default")
    names = {user.id: user.username for user in cvat.users()}
    replicas = cvat.task(workspace.line().task_id or 0).quality_jobs
    assert sorted(names[one.assignee or 0] for one in replicas) == ["ann", "ann", "root", "root"]


def test_why_a_job_waits_is_said_as_it_is_now(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", assignment=POOL)
    absences.away(workspace.context.ledger, "ann", None)
    collect(workspace.context)
    with workspace.context.ledger.read_only() as tx:
        assert jobs.of_batch(tx, FIRST)[2].choice_reason == "waits: ann is away; bob has 1 of 1 open jobs"
