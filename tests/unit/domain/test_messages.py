"""What a person is told about their work: each thing once, nothing that came and went, all of it in one message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.messages import (
    NOBODY,
    News,
    OpenJob,
    WorkKind,
    after_message,
    compose,
    is_time,
    next_news,
    works_now,
)
from labelyard.domain.working_hours import WorkingHours, parse_hours

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)


def job(person: str = "ann", kind: WorkKind = WorkKind.LABEL, turn: int = 0, number: int = 7) -> OpenJob:
    return OpenJob("street-00001", "street", number, person, kind, turn, f"http://cvat/tasks/1/jobs/{number}")


def seen(known: News | None, shown: OpenJob | None, at: datetime = NOW) -> News | None:
    return next_news(known, shown if shown is not None and shown.person == "ann" else None, shown, at)


def tell(known: News | None) -> News | None:
    assert known is not None
    return after_message(known, known)


def test_work_is_notified_once_and_again_when_it_comes_back() -> None:
    news = seen(None, job())
    assert news is not None
    assert news.is_due
    known = tell(news)
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
    moving = OpenJob("street-00001", "street", 7, "bob", WorkKind.LABEL, is_settled=False)
    known = tell(seen(None, job()))
    assert seen(known, moving) == known
    assert seen(None, moving) is None


def test_what_changes_while_a_message_is_sent_is_notified_by_the_next_one() -> None:
    sent = seen(None, job())
    assert sent is not None
    back = after_message(sent, News(WorkKind.REPAIR, 1, SOON))
    assert back is not None
    assert (back.is_due, back.times_notified) == (True, 1)
    taken = News(WorkKind.LABEL, 0, NOW, notified=True, times_notified=1, taken_by="bob")
    returned = after_message(taken, News(WorkKind.LABEL, 0, NOW, notified=True, times_notified=1))
    assert returned is not None
    assert returned.is_due, "ann was told to leave it"


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
    news = None
    believes: tuple[WorkKind, int] | None = None
    for shown, is_sent in [*before, (last, True)]:
        news = seen(news, shown)
        assert seen(news, shown) == news, "a look changes nothing twice"
        if is_sent and news is not None and news.is_due:
            assert news.taken_by is None or believes is not None, "only what was told can be taken"
            believes = None if news.taken_by is not None else (news.kind, news.turn)
            news = after_message(news, news)
    assert news is None or not news.is_due
    if last is not None and last.person == "ann":
        assert believes == (last.kind, last.turn)


def test_a_message_waits_for_more_and_then_says_all() -> None:
    first, second = News(WorkKind.LABEL, 0, NOW), News(WorkKind.LABEL, 0, SOON)
    bundle = timedelta(minutes=5)
    assert not is_time([first], SOON - timedelta(seconds=1), bundle)
    assert is_time([second, first], SOON, bundle)
    assert not is_time([News(WorkKind.LABEL, 0, NOW, notified=True)], SOON, bundle)


def test_people_are_notified_in_their_hours_and_without_any_outside_the_quiet_hours() -> None:
    mornings, nights = (
        WorkingHours((parse_hours(text),), ZoneInfo("UTC")) for text in ("mon-fri 08:00-12:00", "mon-fri 20:00-23:00")
    )
    assert works_now([nights, mornings], NOW, is_quiet=True)
    assert not works_now([nights], NOW, is_quiet=False)
    assert works_now([], NOW, is_quiet=False)
    assert not works_now([], NOW, is_quiet=True)


def test_a_message_names_each_job_with_its_link_and_of_many_the_first() -> None:
    back = job(kind=WorkKind.REPAIR, turn=1, number=3)
    taken = OpenJob("street-00002", "street", 9, "bob", WorkKind.LABEL, reason="ann had not begun it after 72 hours")
    message = compose([*(job(number=number) for number in range(10, 30)), back], [taken])
    assert message.title == "labelyard: 1 job back to be corrected, 20 jobs to label, 1 job not with you any more"
    lines = message.body.splitlines()
    assert lines[:2] == ["back to be corrected:", "- job 3 of street-00001: http://cvat/tasks/1/jobs/3"]
    assert "- and 12 other jobs" in lines
    assert lines[-1] == "- job 9 of street-00002, now with bob (ann had not begun it after 72 hours)"
