"""What a person is told about their work: each thing once, nothing that came and went, all of it in one message."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.messages import (
    NOBODY,
    Decision,
    JobKey,
    Notice,
    OpenJob,
    WorkKind,
    after_message,
    compose,
    decide,
    next_notice,
    works_now,
)
from labelyard.domain.working_hours import WorkingHours, parse_hours

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
TASK = "http://cvat/tasks/1"


def job(person: str = "ann", kind: WorkKind = WorkKind.LABEL, turn: int = 0, number: int = 7) -> OpenJob:
    return OpenJob("street-00001", number, person, kind, turn, TASK)


def seen(known: Notice | None, shown: OpenJob | None, at: datetime = NOW) -> Notice | None:
    return next_notice(known, shown if shown is not None and shown.person == "ann" else None, shown, at)


def tell(known: Notice | None) -> Notice | None:
    assert known is not None
    return after_message(known)


def test_work_is_notified_once_and_again_when_it_comes_back() -> None:
    notice = seen(None, job())
    assert notice is not None
    assert notice.is_due
    known = tell(notice)
    assert known is not None
    assert not known.is_due
    assert seen(known, job()) == known
    back = seen(known, job(kind=WorkKind.REPAIR, turn=1), SOON)
    assert back is not None
    assert (back.is_due, back.since) == (True, SOON)


def test_work_that_comes_and_goes_before_it_was_notified_is_not_mentioned() -> None:
    assert seen(seen(None, job()), job("bob")) is None


def test_work_that_goes_to_somebody_else_is_notified_to_who_had_it_once() -> None:
    taken = seen(tell(seen(None, job())), job("bob"), SOON)
    assert taken is not None
    assert (taken.is_due, taken.taken_by, taken.since) == (True, "bob", SOON)
    moved_on = seen(taken, job(NOBODY), SOON + timedelta(minutes=1))
    assert moved_on is not None
    assert (moved_on.taken_by, moved_on.since) == (NOBODY, SOON)
    assert tell(moved_on) is None


def test_work_that_goes_and_returns_before_that_was_notified_is_not_mentioned_again() -> None:
    known = tell(seen(None, job()))
    returned = seen(seen(known, job("bob")), job())
    assert returned is not None
    assert not returned.is_due


@pytest.mark.parametrize("shown", [None, job("bob", WorkKind.REVIEW)], ids=["done", "in review"])
def test_completed_work_is_forgotten(shown: OpenJob | None) -> None:
    assert seen(tell(seen(None, job())), shown) is None


def test_nothing_changes_while_a_job_is_being_moved() -> None:
    moving = OpenJob("street-00001", 7, "bob", WorkKind.LABEL, is_settled=False)
    known = tell(seen(None, job()))
    assert seen(known, moving) == known
    assert seen(None, moving) is None


SHOWN = st.one_of(
    st.none(),
    st.builds(
        job,
        st.sampled_from(["ann", "bob", NOBODY]),
        st.sampled_from([WorkKind.LABEL, WorkKind.REPAIR, WorkKind.REVIEW]),
        st.integers(0, 2),
    ),
)


@given(st.lists(st.tuples(SHOWN, st.booleans()), max_size=12), SHOWN)
def test_after_a_message_a_person_knows_what_they_have_and_no_more_is_to_say(
    before: list[tuple[OpenJob | None, bool]], last: OpenJob | None
) -> None:
    """Whatever was shown before, and whether it was told: two looks and one message lead to the same."""
    notice = None
    believes: tuple[WorkKind, int] | None = None
    for shown, is_sent in [*before, (last, True)]:
        notice = seen(notice, shown)
        assert seen(notice, shown) == notice, "a look changes nothing twice"
        if is_sent and notice is not None and notice.is_due:
            assert notice.taken_by is None or believes is not None, "only what was told can be taken"
            believes = None if notice.taken_by is not None else (notice.kind, notice.turn)
            notice = after_message(notice)
    assert notice is None or not notice.is_due
    if last is not None and last.person == "ann":
        assert believes == (last.kind, last.turn)


def decided(known: dict[JobKey, Notice], *jobs: OpenJob, at: datetime = NOW) -> Decision:
    mine = [job for job in jobs if job.person == "ann"]
    return decide("ann", known, mine, {job.key: job for job in jobs}, at, timedelta(minutes=5))


def test_a_message_waits_for_more_and_then_says_all() -> None:
    first, second = job(number=1), job(number=2)
    known = {first.key: Notice(WorkKind.LABEL, 0, NOW)}
    waiting = decided(known, first, at=SOON - timedelta(seconds=1))
    assert (waiting.changes, waiting.is_time) == ({}, False)
    found = decided(known, first, second, at=SOON)
    assert (set(found.due), found.is_time) == ({first.key, second.key}, True)


def test_of_a_job_that_is_being_moved_no_message_is_due() -> None:
    moving = replace(job("bob"), is_settled=False)
    notified = replace(Notice(WorkKind.LABEL, 0, NOW), notified=True, named=True)
    for known in (Notice(WorkKind.LABEL, 0, NOW), replace(notified, taken_by="bob")):
        assert decided({moving.key: known}, moving, at=SOON) == Decision(is_done=False)


def test_people_are_notified_in_their_hours_and_without_any_outside_the_quiet_hours() -> None:
    mornings, nights = (
        WorkingHours((parse_hours(text),), ZoneInfo("UTC")) for text in ("mon-fri 08:00-12:00", "mon-fri 20:00-23:00")
    )
    assert works_now([nights, mornings], NOW, is_quiet=True)
    assert not works_now([nights], NOW, is_quiet=False)
    assert works_now([], NOW, is_quiet=False)
    assert not works_now([], NOW, is_quiet=True)


def test_a_message_names_each_job_with_its_link_and_of_many_the_first() -> None:
    back, truth = job(kind=WorkKind.REPAIR, turn=1, number=3), job(kind=WorkKind.TRUTH, number=4)
    taken = OpenJob(
        "street-00002", 9, "bob", WorkKind.LABEL, left_by="ann", reason="ann had not begun it after 72 hours"
    )
    message = compose("ann", [*(job(number=number) for number in range(10, 30)), back, truth, taken])
    assert message.title == (
        "labelyard: 1 job not with you any more, 1 job back to be corrected, 20 jobs to label, 1 ground-truth job"
    )
    assert message.body.splitlines()[:5] == [
        "jobs not with you any more, please leave them:",
        "- job 9 of street-00002, now with bob (you had not begun it after 72 hours)",
        "jobs back to be corrected:",
        f"- job 3 of street-00001: {TASK}/jobs/3",
        "jobs to label:",
    ]
    numbers = ", ".join(map(str, range(18, 30)))
    assert f"- and 12 other jobs ({numbers}): {TASK}" in message.body.splitlines()


def test_who_had_a_job_before_is_said_to_who_gets_it_alone() -> None:
    moved = replace(job("bob"), left_by="ann")
    assert compose("bob", [moved]).body.endswith(f"(ann had it before): {TASK}/jobs/7")
    assert "before" not in compose("ann", [moved]).body


def test_no_line_of_a_long_message_is_cut_and_every_job_is_counted() -> None:
    def long(person: str, kind: WorkKind, number: int) -> OpenJob:
        return OpenJob(
            "street-00001", number, person, kind, 0, f"http://cvat/{'x' * 150}", reason="ann @all\n" + "y" * 90
        )

    jobs = [long("ann", kind, 10 * n + i) for n, kind in enumerate(WorkKind) for i in range(10)]
    jobs += [long("bob", WorkKind.LABEL, 90 + i) for i in range(10)]
    body = compose("ann", jobs).body
    assert len(body) < 2500
    named = [line for line in body.splitlines() if line.startswith("- job ")]
    assert body.splitlines()[1].startswith("- job 90 of street-00001, now with bob")
    assert all(re.search(r"/jobs/\d+$", line) for line in named)
    others = sum(int(number) for number in re.findall(r"^- (?:and )?(\d+) (?:other )?jobs?", body, re.MULTILINE))
    assert len(named) + others == len(jobs)
    assert "@all" not in body
