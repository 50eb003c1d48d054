"""Jobs that nobody may get now wait, and are assigned once somebody may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard import failpoints
from labelyard.domain.causes import Kind
from labelyard.ledger import batches, history, jobs
from labelyard.operations import absences
from labelyard.operations.apply import carry_out
from labelyard.operations.figures import read_figures
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline.collect_finished import collect
from tests.support.assigning import POOL, begin, complete, who
from tests.support.cvat_families import V2, each_cvat
from tests.support.own_process import collect_in_own_process
from tests.support.workspace import FIRST, Workspace

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])


def reasons(workspace: Workspace, what: str, batch: str = FIRST) -> list[str]:
    """Return what the history says of jobs."""
    with workspace.context.ledger.read_only() as tx:
        found = [entry.reason for entry in history.of_batch(tx, batch) if entry.what == what]
    return [reason for reason in found if reason.startswith("job")]


@pytest.mark.parametrize("cvat_version", [V2, pytest.param("1.0.0", marks=pytest.mark.slow)])
def test_who_completes_a_job_of_the_pool_gets_the_next_one_and_older_batches_come_first(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", assignment=POOL)
    begin(workspace, "e.jpg", batch="street-00002", assignment=POOL)
    assert who(workspace) == ["ann", "bob", None, None]
    assert (who(workspace, "street-00002"), workspace.line("street-00002").state) == ([None], "assigned")
    assert collect(workspace.context).changed == (), "nobody has room"
    assert survey_tasks(workspace.context) == []
    assert not [cause for cause in read_figures(workspace.context.ledger).causes if cause.kind is Kind.NOBODY]

    complete(workspace, 1)
    assert FIRST in collect(workspace.context).changed
    assert (who(workspace), who(workspace, "street-00002")) == (["ann", "bob", "bob", None], [None])
    complete(workspace, 2)
    complete(workspace, 0)
    collect(workspace.context)
    assert who(workspace)[3] in ("ann", "bob")
    assert who(workspace, "street-00002")[0] in ("ann", "bob")
    assert who(workspace)[3] != who(workspace, "street-00002")[0], "one each"
    assert reasons(workspace, "assigned")[2].endswith("to bob: the next job of the pool: 0 of 1 open before")
    [waited] = reasons(workspace, "waits")
    assert waited.endswith(": ann has 1 of 1 open jobs; bob has 1 of 1 open jobs")


@on_cvat_2
def test_a_job_that_a_person_takes_or_frees_in_cvat_stays_as_they_say(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", assignment=POOL)
    cvat = workspace.context.cvat("default")
    ids = {user.username: user.id for user in cvat.users()}
    on_server = cvat.jobs(workspace.line().task_id or 0)
    cvat.assign(on_server[2].id, ids["root"])  # a person takes a job of the pool
    cvat.assign(on_server[0].id, None)  # and frees another one
    complete(workspace, 1)
    collect(workspace.context)
    collect(workspace.context)
    assert who(workspace) == [None, "bob", "root"]
    [cause] = [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.NOBODY]
    assert cause.objects == 1
    carry_out(workspace.context, survey_tasks(workspace.context))
    assert who(workspace)[0] in ("ann", "bob"), "the plan assigns it again, when a person applies it"


@on_cvat_2
def test_nobody_gets_a_job_while_they_are_away(workspace: Workspace) -> None:
    workspace.apply(assignment={"policy": "least_loaded"})
    ledger = workspace.context.ledger
    with ledger.read_only() as tx:
        now = tx.now
    absences.away(ledger, "ann", None)
    absences.away(ledger, "bob", now + timedelta(days=1))
    begin(workspace, "a.jpg", "b.jpg", assignment={"policy": "least_loaded"})
    assert who(workspace) == [None, None]
    [waited] = reasons(workspace, "waits")
    assert "ann is away; bob is away until " in waited
    assert absences.back(ledger, "ann").was_away
    assert not absences.back(ledger, "ann").was_away
    collect(workspace.context)
    assert who(workspace) == ["ann", "ann"]
    with ledger.read_only() as tx:
        assert {row.choice_reason for row in jobs.of_batch(tx, FIRST)} == {
            "least loaded: 0 open images, and nobody else who can get it has fewer",
            "least loaded: 1 open image, and nobody else who can get it has fewer",
        }


@on_cvat_2
def test_a_job_goes_to_those_who_have_the_skill_that_its_images_need(workspace: Workspace) -> None:
    night = {"keys": ["night/*"], "people": {"bob": 1}}
    assignment = {"policy": "by_skill", "skills": {"night": night}, "limit": 2}
    begin(workspace, "day/a.jpg", "night/b.jpg", "night/c.jpg", "night/d.jpg", assignment=assignment)
    assert who(workspace) == ["ann", "bob", "bob", None]
    assert "by skill: night at level 1, with 1 open image" in reasons(workspace, "assigned")[2]
    complete(workspace, 1)
    collect(workspace.context)
    assert who(workspace)[3] == "bob"


@pytest.mark.slow
@each_cvat
@pytest.mark.parametrize("at", ["assign_waiting_jobs.due", "assign_jobs.chosen", "assign_jobs.sent"])
def test_a_look_that_is_killed_is_completed_by_the_next_one(workspace: Workspace, at: str) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", assignment=POOL)
    complete(workspace, 0)
    complete(workspace, 1)
    for _ in range(2):
        assert collect_in_own_process(workspace, at) == failpoints.EXIT_STATUS
        with workspace.context.ledger.transaction() as tx:
            batches.get(tx, FIRST).leased_until = tx.now  # the lease of the dead process has expired
    collect(workspace.context)
    assert sorted(map(str, who(workspace)[2:])) == ["ann", "bob"]
    assert collect(workspace.context).changed == ()
