"""Work that nobody has begun for `reassign_after` goes to somebody else, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from labelyard import failpoints
from labelyard.ledger import batches, history, jobs
from labelyard.operations.reassign import reassign
from labelyard.pipeline.collect_finished import collect
from tests.support import assigning
from tests.support.assigning import complete, draw, who
from tests.support.cvat_families import V2, each_cvat
from tests.support.own_process import collect_in_own_process
from tests.support.workspace import FIRST, Workspace


def begin(workspace: Workspace, **assignment: object) -> None:
    """Ingest a batch of two jobs, one for ann and one for bob."""
    assigning.begin(workspace, "0.jpg", "1.jpg", assignment={"reassign_after": "2d", **assignment})
    assert who(workspace) == ["ann", "bob"]


def wait(workspace: Workspace, *numbers: int, days: float = 3) -> None:
    """Let jobs be assigned some days earlier."""
    with workspace.context.ledger.transaction() as tx:
        for number in numbers:
            row = jobs.of_batch(tx, FIRST)[number]
            row.assigned_at = tx.now - timedelta(days=days)


@pytest.mark.parametrize("cvat_version", [V2, pytest.param("1.0.0", marks=pytest.mark.slow)])
def test_an_untouched_job_goes_to_somebody_else_once_and_one_with_a_shape_stays(workspace: Workspace) -> None:
    begin(workspace)
    wait(workspace, 0, 1, days=1)
    assert collect(workspace.context).changed == (), "not yet"
    draw(workspace, 1)
    wait(workspace, 0, 1)
    assert collect(workspace.context).changed == (FIRST,)
    assert who(workspace) == ["bob", "bob"], "bob has begun the other one"
    with workspace.context.ledger.read_only() as tx:
        said = [entry.reason for entry in history.of_batch(tx, FIRST) if entry.what == "assigned"]
    assert said[-1].endswith(
        " to bob: ann had not begun it after 48 hours; round robin, turn 3 over 2, after ann, who cannot get it"
    )
    wait(workspace, 0, 1)
    assert collect(workspace.context).changed == ()
    assert who(workspace) == ["bob", "bob"], "once"


@pytest.mark.parametrize("cvat_version", [V2])
def test_an_untouched_job_stays_while_nobody_else_may_get_it(workspace: Workspace) -> None:
    begin(workspace, limit=1)
    wait(workspace, 0)
    assert collect(workspace.context).changed == ()
    assert who(workspace) == ["ann", "bob"]


@pytest.mark.slow
@each_cvat
@pytest.mark.parametrize("at", ["reassign_untouched.chosen", "assign_jobs.sent"])
def test_a_look_that_is_killed_is_completed_by_the_next_one(workspace: Workspace, at: str) -> None:
    begin(workspace)
    wait(workspace, 0)
    assert collect_in_own_process(workspace, at) == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now  # the lease of the dead process has expired
    collect(workspace.context)
    assert who(workspace) == ["bob", "bob"]
    assert collect(workspace.context).changed == ()


@pytest.mark.slow
@each_cvat
def test_a_job_that_is_completed_before_the_choice_is_sent_stays_with_its_annotator(workspace: Workspace) -> None:
    begin(workspace)
    wait(workspace, 0)
    assert collect_in_own_process(workspace, "reassign_untouched.chosen") == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now
    complete(workspace, 0)
    collect(workspace.context)
    assert who(workspace) == ["ann", "bob"]


@pytest.mark.slow
@each_cvat
def test_a_job_that_is_begun_before_the_choice_is_sent_stays_with_its_annotator(workspace: Workspace) -> None:
    begin(workspace)
    wait(workspace, 0)
    assert collect_in_own_process(workspace, "reassign_untouched.chosen") == failpoints.EXIT_STATUS
    with workspace.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).leased_until = tx.now
    draw(workspace, 0)
    collect(workspace.context)
    assert who(workspace) == ["ann", "bob"]
    assert collect(workspace.context).changed == ()


@pytest.mark.parametrize("cvat_version", [V2])
def test_an_untouched_job_of_a_dataset_with_review_goes_to_somebody_else(workspace: Workspace) -> None:
    rules = {"reassign_after": "2d"}
    assigning.begin(workspace, "0.jpg", "1.jpg", assignment=rules, review={"reviewers": ["root"]})
    collect(workspace.context)
    wait(workspace, 0)
    collect(workspace.context)
    assert who(workspace) == ["bob", "bob"]


@pytest.mark.parametrize("cvat_version", [V2])
def test_a_job_taken_away_with_reassign_does_not_come_back_and_waits(workspace: Workspace) -> None:
    assigning.begin(workspace, "0.jpg", "1.jpg", "2.jpg", assignment=assigning.POOL)
    reassign(workspace.context, "ann")
    collect(workspace.context)
    assert who(workspace) == [None, "bob", "ann"], "ann has room for another one"
    complete(workspace, 1)
    collect(workspace.context)
    assert who(workspace) == ["bob", "bob", "ann"]


@pytest.mark.parametrize("cvat_version", [V2])
def test_who_begins_a_job_while_a_person_takes_it_away_loses_it(workspace: Workspace) -> None:
    begin(workspace)
    with workspace.context.ledger.transaction() as tx:
        row = jobs.of_batch(tx, FIRST)[0]
        jobs.replace_choices([row])
        row.chosen_assignee, row.choice_reason = "bob", "round robin"  # chosen, and killed before it was sent
    draw(workspace, 0)
    with workspace.context.ledger.transaction() as tx:
        jobs.mark_begun(tx, FIRST, {jobs.of_batch(tx, FIRST)[0].server_id})
    collect(workspace.context)
    assert who(workspace) == ["bob", "bob"]
