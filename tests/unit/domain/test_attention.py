"""What needs a person: one cause for everything with the same reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from labelyard.domain.attention import (
    AWAY_LONG,
    TRIED_IN_VAIN,
    Kind,
    Outage,
    QuarantinedObject,
    Situation,
    causes,
    verdict,
)
from labelyard.domain.deadlines import BatchAtWork, JobAtWork, late_batches
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def failed(number: int, error: str = "label car is unknown") -> BatchAtWork:
    name = f"street-{number:05d}"
    retry = f"labelyard retry {name}"
    return BatchAtWork(name, "street", BatchState.FAILED, NOW - MINUTE, "default", error=error, next_step=retry)


def test_batches_that_failed_for_the_same_reason_are_one_cause_with_a_next_command() -> None:
    [cause] = causes(Situation(NOW, [failed(n, f"task {n} of street-{n:05d} has no label") for n in (1, 2, 3)]))
    assert (cause.kind, cause.batches) == (Kind.FAILED, ("street-00001", "street-00002", "street-00003"))
    assert cause.to_act
    assert cause.next_step == "labelyard retry street-00001"
    assert verdict([cause], [], at_work=3) == "3 batches need you"


def test_the_key_of_a_cause_stays_the_same_while_more_batches_join_and_numbers_change() -> None:
    [before] = causes(Situation(NOW, [failed(1, "task 7 has no label")]))
    [after] = causes(Situation(NOW + MINUTE, [failed(2, "task 8 has no label"), failed(1, "task 7 has no label")]))
    assert before.key == after.key
    [other] = causes(Situation(NOW, [failed(1, "another reason")]))
    assert other.key != before.key


def test_a_failure_that_is_tried_again_needs_a_person_only_after_many_attempts_or_when_the_batch_is_late() -> None:
    waiting = replace(failed(1), state=BatchState.CLOSED, attempts=TRIED_IN_VAIN - 1)
    assert causes(Situation(NOW, [waiting])) == []
    [vain] = causes(Situation(NOW, [replace(waiting, attempts=TRIED_IN_VAIN)]))
    assert (vain.kind, vain.to_act) == (Kind.RETRIED, True)
    overdue = replace(waiting, stage_since=NOW - timedelta(hours=2))
    late = late_batches([overdue], {}, NOW)
    found = causes(Situation(NOW, [overdue], late))
    assert [cause.kind for cause in found] == [Kind.RETRIED]
    assert verdict(found, late, at_work=1) == "1 batch needs you"  # not counted as late as well


def test_an_unavailable_server_is_waited_for_before_it_needs_a_person_and_its_batches_are_no_causes() -> None:
    waiting = replace(failed(1), state=BatchState.CLOSED, attempts=TRIED_IN_VAIN, cvat="default")
    short, long = Outage("default", NOW - AWAY_LONG, "503"), Outage("default", NOW - AWAY_LONG - MINUTE, "503")
    assert causes(Situation(NOW, [waiting], outages=[short])) == []
    assert verdict([], [], at_work=1, down=["CVAT default"]) == "waiting for CVAT default"
    [cause] = causes(Situation(NOW, [waiting], outages=[long]))
    assert (cause.kind, cause.next_step) == (Kind.SERVER, "labelyard doctor")
    assert verdict([cause], [], at_work=1, down=["CVAT default"]) == "CVAT default unavailable"


def test_quarantined_objects_with_the_same_reason_are_one_cause_that_is_only_to_know() -> None:
    objects = [
        QuarantinedObject(f"s3://b/{n}.jpg", "street", f"street-0000{n % 2}", f"no image: {n} bytes", NOW - n * MINUTE)
        for n in range(1, 6)
    ]
    [cause] = causes(Situation(NOW, quarantined=objects))
    assert (cause.objects, len(cause.examples), cause.batches) == (5, 3, ("street-00001", "street-00000"))
    assert cause.since == NOW - 5 * MINUTE
    assert not cause.to_act
    assert verdict([cause], [], at_work=0) == "nothing to do"


def test_jobs_of_nobody_dead_letters_and_pauses_are_causes_and_what_asks_to_act_comes_first() -> None:
    nobody = JobAtWork(3, None, 10, JobStatus.ANNOTATION, NOW - MINUTE)
    done = replace(nobody, status=JobStatus.COMPLETED)
    batch = BatchAtWork("street-00004", "street", BatchState.ASSIGNED, NOW, "default", jobs=(nobody, done))
    found = causes(Situation(NOW, [batch], dead_letters=2, paused={"street": ("holidays", NOW)}))
    assert [cause.kind for cause in found] == [Kind.DEAD_LETTERS, Kind.NOBODY, Kind.PAUSED]
    assert [cause.to_act for cause in found] == [True, True, False]
    assert found[1].reason == "1 unfinished job has no assignee"
    assert verdict(found, [], at_work=1) == "1 batch needs you, 1 thing needs you"


def test_the_verdict_of_a_healthy_day() -> None:
    slow = replace(failed(1), state=BatchState.ASSIGNED, error=None, stage_since=NOW - timedelta(days=9))
    late = late_batches([slow], {}, NOW)
    assert verdict([], late, at_work=4) == "all running, 1 late"
    assert verdict([], [], at_work=4) == "all running"
    assert verdict([], [], at_work=0) == "nothing to do"
