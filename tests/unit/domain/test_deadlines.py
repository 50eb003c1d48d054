"""What is late, by the deadlines of a dataset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.deadlines import (
    STAGES,
    BatchAtWork,
    Deadlines,
    JobAtWork,
    Stage,
    late_batch,
    late_batches,
    next_due,
)
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def batch(state: BatchState, since: timedelta, *jobs: JobAtWork, name: str = "street-00001") -> BatchAtWork:
    return BatchAtWork(name, "street", state, NOW - since, "default", jobs=jobs)


def job(assignee: str | None, status: JobStatus = JobStatus.ANNOTATION) -> JobAtWork:
    return JobAtWork(1, assignee, 10, status, NOW)


@pytest.mark.parametrize("state", STAGES)
def test_a_batch_is_late_once_it_has_passed_the_deadline_of_its_stage(state: BatchState) -> None:
    limits = Deadlines(upload=HOUR, assign=2 * HOUR, label=3 * HOUR, export=4 * HOUR)
    limit = limits.of(STAGES[state])
    assert limit is not None
    assert late_batch(batch(state, limit), limits, NOW) is None
    late = late_batch(batch(state, limit + HOUR), limits, NOW)
    assert late is not None
    assert (late.stage, late.due) == (STAGES[state], NOW - HOUR)


@pytest.mark.parametrize("state", sorted(set(BatchState) - set(STAGES)))
def test_no_other_state_is_ever_late(state: BatchState) -> None:
    assert late_batch(batch(state, timedelta(days=300)), Deadlines(), NOW) is None


def test_a_backfilled_batch_that_waits_for_its_turn_is_not_late_and_has_no_due_time() -> None:
    waiting = replace(batch(BatchState.CLOSED, timedelta(days=3)), waits_for_turn=True)
    assert late_batch(waiting, Deadlines(), NOW) is None
    assert next_due([replace(waiting, stage_since=NOW)], {}, NOW) is None


def test_null_means_never() -> None:
    assert late_batch(batch(BatchState.ASSIGNED, timedelta(days=300)), Deadlines(label=None), NOW) is None


def test_a_late_batch_names_those_who_have_its_unfinished_jobs() -> None:
    jobs = (job("ben"), job("anna", JobStatus.COMPLETED), job(None), job("ben", JobStatus.VALIDATION))
    late = late_batch(batch(BatchState.ASSIGNED, timedelta(days=8), *jobs), Deadlines(), NOW)
    assert late is not None
    assert (late.stage, late.people, late.images) == (Stage.LABEL, ("", "ben"), 30)
    assert late.next_step == (
        "ask ben, or give all their unfinished jobs of street to others: labelyard reassign ben --dataset street"
    )


def test_a_late_batch_that_nobody_has_to_label_is_explained_by_a_command() -> None:
    of_nobody = late_batch(batch(BatchState.ASSIGNED, timedelta(days=8), job(None)), Deadlines(), NOW)
    uploading = late_batch(batch(BatchState.CLOSED, timedelta(days=8)), Deadlines(), NOW)
    assert [one and one.next_step for one in (of_nobody, uploading)] == ["labelyard why street-00001"] * 2


def test_the_most_overdue_batch_is_first_and_each_dataset_has_its_own_deadlines() -> None:
    young, old = batch(BatchState.CLOSED, 2 * HOUR, name="a"), batch(BatchState.CLOSED, 3 * HOUR, name="b")
    assert [late.id for late in late_batches([young, old], {}, NOW)] == ["b", "a"]
    assert not late_batches([young, old], {"street": Deadlines(upload=4 * HOUR)}, NOW)
