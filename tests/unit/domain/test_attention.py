"""What needs a person: one cause for everything of a dataset with the same reason, with the next command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.attention import (
    AWAY_LONG,
    EVENTS_LONG,
    QUEUE_LONG,
    TRIED_IN_VAIN,
    ExpectedObjects,
    OpenProblem,
    Outage,
    QuarantinedObject,
    Situation,
    causes,
)
from labelyard.domain.causes import Cause, Kind
from labelyard.domain.deadlines import BatchAtWork, JobAtWork
from labelyard.domain.headline import verdict
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def failed(number: int, error: str = "label car is unknown", dataset: str = "street") -> BatchAtWork:
    name = f"{dataset}-{number:05d}"
    return BatchAtWork(
        name, dataset, BatchState.FAILED, NOW - DAY, "default", error=error, next_step=f"labelyard retry {name}",
        error_since=NOW - number * MINUTE,
    )  # fmt: skip


def retried(number: int, attempts: int = TRIED_IN_VAIN) -> BatchAtWork:
    return replace(failed(number), state=BatchState.CLOSED, stage_since=NOW - HOUR, attempts=attempts)


def labelled_slowly(number: int, *people: str | None, days: int = 9) -> BatchAtWork:
    since = NOW - timedelta(days=days)
    jobs = tuple(JobAtWork(3, person, 10, JobStatus.ANNOTATION, since) for person in people)
    return BatchAtWork(f"street-{number:05d}", "street", BatchState.ASSIGNED, since, "default", jobs=jobs)


def quarantined(number: int, dataset: str = "street") -> QuarantinedObject:
    batch = f"{dataset}-0000{number % 2}"
    return QuarantinedObject(f"s3://b/{number}.jpg", dataset, batch, f"no image: {number} bytes", NOW - number * MINUTE)


def of_batches(*batches: BatchAtWork) -> Sequence[Cause]:
    return causes(Situation(NOW, batches))


def the_cause(**situation: object) -> Cause:
    [found] = causes(Situation(NOW, **situation))  # type: ignore[arg-type]
    return found


def test_nothing_is_no_cause() -> None:
    assert causes(Situation(NOW)) == []


def test_batches_that_failed_for_the_same_reason_are_one_cause_since_the_first_of_them_with_a_next_command() -> None:
    [cause] = of_batches(*(failed(n, f"task {n} of street-{n:05d} has no label") for n in (1, 7, 3, 4)))
    assert (cause.kind, cause.dataset, cause.to_act, cause.has_alert) == (Kind.FAILED, "street", True, True)
    assert cause.batches == ("street-00001", "street-00007", "street-00003", "street-00004")
    assert (cause.next_step, cause.since) == ("labelyard retry street-00001", NOW - 7 * MINUTE)
    assert cause.what == (
        "4 batches failed (street-00001, street-00007, street-00003 and 1 more): task 1 of street-00001 has no label"
    )
    assert verdict([cause], [], at_work=4) == "4 batches need you"


def test_a_cause_keeps_its_key_when_batches_join_and_leave_it() -> None:
    groups = ((1,), (9, 8), (5,))
    keys = {
        cause.key for group in groups for cause in of_batches(*(failed(n, f"task {n} has no label") for n in group))
    }
    assert len(keys) == 1


def test_another_error_dataset_or_kind_is_another_cause() -> None:
    batches = [failed(1), failed(1, dataset="alley"), failed(2, "no labels"), retried(3)]
    objects = [quarantined(1), quarantined(2, "alley")]
    found = causes(Situation(NOW, batches, quarantined=objects))
    assert len({cause.key for cause in found}) == len(found) == 6


def test_a_failure_that_is_tried_again_needs_a_person_only_after_many_attempts_or_when_the_batch_is_late() -> None:
    assert of_batches(retried(1, TRIED_IN_VAIN - 1)) == []
    [vain] = of_batches(retried(1))
    assert (vain.kind, vain.to_act) == (Kind.RETRIED, True)
    seen = Situation(NOW, [replace(retried(1, 1), stage_since=NOW - 2 * HOUR)])
    assert [cause.kind for cause in causes(seen)] == [Kind.RETRIED], "its lateness is no cause of its own"
    assert verdict(causes(seen), seen.late, at_work=1) == "1 batch needs you"


@pytest.mark.parametrize("state", [BatchState.ASSIGNED, BatchState.EXPORTED])
def test_a_task_that_cannot_be_read_needs_a_person_at_once(state: BatchState) -> None:
    [cause] = of_batches(replace(failed(1, "task 7 was deleted"), state=state, attempts=1, next_step=None))
    assert (cause.kind, cause.to_act, cause.since) == (Kind.UNREADABLE, True, NOW - MINUTE)
    assert cause.next_step == "labelyard why street-00001"


def test_late_batches_are_one_cause_for_each_stage_with_the_people_who_have_them() -> None:
    done = replace(labelled_slowly(1), state=BatchState.COMPLETED)
    seen = Situation(NOW, [labelled_slowly(2, "bob"), labelled_slowly(5, "ann", days=8), done])
    found = causes(seen)
    assert [cause.what for cause in found] == [
        "2 batches late (street-00002, street-00005): jobs not completed yet, with ann, bob",
        "1 batch late (street-00001): completed, not exported yet",
    ]
    assert {(cause.to_act, cause.has_alert) for cause in found} == {(False, True)}
    assert found[0].since == NOW - 2 * DAY
    assert verdict(found, seen.late, at_work=3) == "3 batches late"


def test_in_a_paused_dataset_only_what_people_do_is_late() -> None:
    closed = replace(labelled_slowly(1), state=BatchState.CLOSED)
    seen = Situation(NOW, [closed, labelled_slowly(2, "ann")], paused={"street": ("holidays", NOW)})
    assert [late.id for late in seen.late] == ["street-00002"]


def test_an_unavailable_server_is_waited_for_before_it_needs_a_person_and_its_batches_are_no_causes() -> None:
    short, long = Outage("default", NOW - AWAY_LONG + SECOND, "503"), Outage("default", NOW - AWAY_LONG, "503")
    assert causes(Situation(NOW, [retried(1)], outages=[short])) == []
    assert verdict([], [], at_work=1, down=["CVAT default"]) == "waiting for CVAT default"
    [cause] = causes(Situation(NOW, [retried(1)], outages=[long]))
    assert (cause.kind, cause.next_step) == (Kind.SERVER, "labelyard doctor")
    assert verdict([cause], [], at_work=1, down=["CVAT default"]) == "CVAT default unavailable"


def test_the_key_of_a_server_depends_on_its_name_and_not_on_its_last_error() -> None:
    names = (("cvat1", "503"), ("cvat1", "no answer"), ("cvat2", "503"))
    keys = [the_cause(outages=[Outage(name, NOW - HOUR, error)]).key for name, error in names]
    assert keys[0] == keys[1] != keys[2]


def test_when_prefect_is_away_there_is_one_cause() -> None:
    silent = OpenProblem(Kind.HOUSEKEEPING, "housekeeping", None, "no sign of life", "labelyard doctor", NOW)
    outage = Outage("Prefect", NOW - HOUR, "no answer", starts_runs=True)
    assert the_cause(outages=[outage], problems=[silent]).kind is Kind.HOUSEKEEPING
    assert the_cause(outages=[outage]).kind is Kind.SERVER


@pytest.mark.parametrize(("quiet", "count"), [(DAY, 0), (DAY + SECOND, 1)])
def test_a_dataset_is_a_cause_when_nothing_arrives_though_it_is_expected(quiet: timedelta, count: int) -> None:
    found = causes(Situation(NOW, expected=[ExpectedObjects("street", DAY, NOW - quiet)]))
    assert [cause.what for cause in found] == [
        "nothing has arrived since 2026-11-29 07:59 UTC, and new files are expected every 24 hours"
    ] * count
    assert verdict(found, [], at_work=0) == ("1 thing needs you" if count else "nothing to do")


@pytest.mark.parametrize(
    ("kind", "age", "count"),
    [
        (Kind.QUEUE, QUEUE_LONG - SECOND, 0),
        (Kind.QUEUE, QUEUE_LONG, 1),
        (Kind.EVENTS, EVENTS_LONG - SECOND, 0),
        (Kind.EVENTS, EVENTS_LONG, 1),
        (Kind.SOURCE, timedelta(0), 1),
    ],
)
def test_a_problem_is_a_cause_at_once_and_one_that_often_ends_by_itself_when_it_lasts(
    kind: Kind, age: timedelta, count: int
) -> None:
    problem = OpenProblem(kind, "x", None, "9 wait", "labelyard doctor", NOW - age)
    assert len(causes(Situation(NOW, problems=[problem]))) == count


def test_sources_whose_names_differ_by_a_number_are_two_causes() -> None:
    problems = [OpenProblem(Kind.SOURCE, f"s3://b{n}/", "street", "no such bucket", "", NOW) for n in (1, 2)]
    assert len({cause.key for cause in causes(Situation(NOW, problems=problems))}) == 2


def test_dead_letters_are_one_cause_since_the_oldest() -> None:
    found = the_cause(dead_letters=2, dead_letters_since=NOW - SECOND)
    assert (found.since, found.next_step) == (NOW - SECOND, "labelyard dead-letters")
    assert found.what == "2 messages could not be parsed or registered, and may be about new files"
    assert found.key == the_cause(dead_letters=9).key


def test_quarantined_objects_with_the_same_reason_are_one_cause_that_is_only_to_know() -> None:
    cause = the_cause(quarantined=[quarantined(n) for n in range(1, 6)])
    assert (cause.objects, len(cause.examples), cause.batches) == (5, 3, ("street-00001", "street-00000"))
    assert (cause.since, cause.title) == (NOW - 5 * MINUTE, "5 files quarantined")
    assert (cause.to_act, cause.has_alert) == (False, False)
    assert verdict([cause], [], at_work=1) == "5 files quarantined", "all running would hide them"


def test_what_asks_to_act_comes_first_then_what_is_late_then_what_is_only_to_know() -> None:
    nobody = JobAtWork(3, None, 10, JobStatus.ANNOTATION, NOW - MINUTE)
    done = replace(nobody, status=JobStatus.COMPLETED)
    batch = BatchAtWork(
        "street-00004", "street", BatchState.ASSIGNED, NOW, "default", jobs=(nobody, done), warning="16-bit images"
    )
    seen = Situation(NOW, [batch, labelled_slowly(5), failed(1)], dead_letters=2, paused={"street": ("holidays", NOW)})
    found = causes(seen)
    assert [(cause.kind, cause.to_act, cause.has_alert) for cause in found] == [
        (Kind.FAILED, True, True),
        (Kind.DEAD_LETTERS, True, True),
        (Kind.NOBODY, True, True),
        (Kind.LATE, False, True),
        (Kind.PAUSED, False, False),
        (Kind.WARNING, False, False),
    ]
    assert found[2].what == "1 unfinished job has no assignee (street-00004)"
    assert verdict(found, seen.late, at_work=1) == (
        "2 batches need you, 1 thing needs you, 1 batch late, 1 dataset paused, 1 batch with a warning"
    )


def test_time_alone_changes_what_needs_a_person_at_the_first_limit_to_come() -> None:
    waiting = OpenProblem(Kind.QUEUE, "q", None, "9 wait", "", NOW - QUEUE_LONG + 4 * MINUTE)
    seen = Situation(
        NOW, [labelled_slowly(1, days=6)], outages=[Outage("default", NOW - HOUR, "503")], problems=[waiting],
        expected=[ExpectedObjects("street", DAY, NOW - DAY + 5 * MINUTE)],
    )  # fmt: skip
    assert seen.changes_at == NOW + 4 * MINUTE
    assert replace(seen, problems=()).changes_at == NOW + 5 * MINUTE
    assert replace(seen, problems=(), expected=()).changes_at == NOW + DAY
    assert Situation(NOW, outages=seen.outages).changes_at is None


def test_the_verdict_of_a_healthy_day() -> None:
    assert verdict([], [], at_work=4) == "all running"
    assert verdict([], [], at_work=0) == "nothing to do"
