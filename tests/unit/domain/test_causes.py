"""What needs a person: each cause once, with the next command; what heals by itself is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.causes import (
    AWAY_LONG,
    QUEUE_LONG,
    TRIED_IN_VAIN,
    Cause,
    ExpectedObjects,
    Kind,
    OpenProblem,
    Outage,
    Situation,
    StoppedBatch,
    causes,
)
from labelyard.domain.deadlines import LateBatch, Stage

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def stopped(
    number: int, error: str = "task {0} was deleted", dataset: str = "street", **changes: object
) -> StoppedBatch:
    values: dict[str, object] = {
        "next_step": f"labelyard retry street-{number}", "since": NOW - timedelta(hours=number), "attempts": 1,
        "is_retried": False, **changes,
    }  # fmt: skip
    return StoppedBatch(f"{dataset}-{number}", dataset, error.format(number), **values)  # type: ignore[arg-type]


def late(number: int, *people: str, stage: Stage = Stage.LABEL) -> LateBatch:
    return LateBatch(f"street-{number}", "street", None, stage, NOW - timedelta(hours=number), people)


def the_cause(**situation: object) -> Cause:
    [found] = causes(Situation(NOW, **situation))  # type: ignore[arg-type]
    return found


def test_nothing_is_no_cause() -> None:
    assert causes(Situation(NOW)) == []


def test_batches_with_the_same_error_but_for_numbers_are_one_cause_since_the_first_of_them() -> None:
    found = the_cause(stopped=[stopped(2), stopped(7), stopped(3), stopped(4)])
    assert found.what == "4 batches need you (street-2, street-7, street-3 and 1 more): task 2 was deleted"
    assert (found.next_command, found.since) == ("labelyard retry street-2", NOW - timedelta(hours=7))


def test_a_cause_keeps_its_key_when_batches_join_and_leave_it() -> None:
    keys = {the_cause(stopped=batches).key for batches in ([stopped(1)], [stopped(9), stopped(8)], [stopped(5)])}
    assert len(keys) == 1


def test_another_error_or_dataset_is_another_cause() -> None:
    found = causes(Situation(NOW, stopped=[stopped(1), stopped(1, dataset="alley"), stopped(1, "no labels")]))
    assert len({cause.key for cause in found}) == 3


@pytest.mark.parametrize(("attempts", "count"), [(TRIED_IN_VAIN - 1, 0), (TRIED_IN_VAIN, 1)])
def test_a_batch_that_is_tried_again_needs_a_person_after_some_attempts(attempts: int, count: int) -> None:
    found = causes(Situation(NOW, stopped=[stopped(1, attempts=attempts, is_retried=True)]))
    assert len(found) == count
    assert all(cause.what.endswith("; tried again by itself") for cause in found)


def test_late_batches_are_one_cause_for_each_stage_with_the_people_who_have_them() -> None:
    found = causes(Situation(NOW, late=[late(2, "bob", ""), late(5, "ann"), late(1, stage=Stage.EXPORT)]))
    assert [cause.what for cause in found] == [
        "2 batches are late, not labelled (street-2, street-5; with ann, bob)",
        "1 batch is late, completed and not exported (street-1)",
    ]
    assert {cause.dataset for cause in found} == {"street"}


@pytest.mark.parametrize(("away", "count"), [(AWAY_LONG - SECOND, 0), (AWAY_LONG, 1)])
def test_a_server_is_a_cause_once_it_is_away_for_long(away: timedelta, count: int) -> None:
    assert len(causes(Situation(NOW, outages=[Outage("CVAT default", NOW - away, "503")]))) == count


@pytest.mark.parametrize(("quiet", "count"), [(timedelta(days=1), 0), (timedelta(days=1) + SECOND, 1)])
def test_a_dataset_is_a_cause_when_nothing_arrives_though_it_is_expected(quiet: timedelta, count: int) -> None:
    found = causes(Situation(NOW, expected=[ExpectedObjects("street", timedelta(days=1), NOW - quiet)]))
    assert [cause.what for cause in found] == [
        "nothing has arrived for 24 hours, and new objects are expected every 24 hours"
    ] * count


@pytest.mark.parametrize(
    ("kind", "age", "count"),
    [(Kind.QUEUE, QUEUE_LONG - SECOND, 0), (Kind.QUEUE, QUEUE_LONG, 1), (Kind.SOURCE, timedelta(0), 1)],
)
def test_a_problem_is_a_cause_at_once_and_a_queue_when_it_does_not_become_shorter(
    kind: Kind, age: timedelta, count: int
) -> None:
    problem = OpenProblem(kind, "x", None, "9 wait", "labelyard doctor", NOW - age)
    assert len(causes(Situation(NOW, problems=[problem]))) == count


def test_dead_letters_are_one_cause_since_the_oldest() -> None:
    found = the_cause(dead_letters=2, dead_letters_since=NOW - SECOND)
    assert (found.since, found.next_command) == (NOW - SECOND, "labelyard dead-letters")
    assert found.key == the_cause(dead_letters=9).key


def test_what_asks_a_person_to_act_comes_first() -> None:
    found = causes(Situation(NOW, late=[late(1)], stopped=[stopped(1)], dead_letters=1))
    assert [cause.kind for cause in found] == [Kind.NEEDS_A_PERSON, Kind.LATE, Kind.DEAD_LETTERS]
