"""The policy `forecast`: who is expected to complete a job first gets it, or the job waits for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.assignment import (
    Annotator,
    AssignmentRules,
    FreeJob,
    PersonRules,
    PolicyState,
    forecast,
    informed,
    least_loaded,
)
from labelyard.domain.learned_work import LEAST_JOBS, Pace, Reviewed, learn
from labelyard.domain.throughput import DoneJob
from labelyard.domain.work_calendar import WorkCalendar, minutes_between
from labelyard.domain.work_history import OpenJob, WorkHistory
from labelyard.domain.working_hours import WorkingHours, parse_hours

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
"""A Wednesday."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OFFICE = WorkingHours((parse_hours("mon-fri 09:00-17:00"),), UTC)


def jobs(count: int) -> list[FreeJob]:
    return [FreeJob(100 + number, 1, number * 10, 10) for number in range(count)]


def somebody(name: str, minutes: float, open_images: int = 0, **others: object) -> Annotator:
    return Annotator(
        name, open_jobs=open_images // 10, open_images=open_images, pace=Pace(minutes, 9),
        open_minutes=open_images * minutes, calendar=WorkCalendar(NOON, None), **others,  # type: ignore[arg-type]
    )  # fmt: skip


def done(person_minutes: float, count: int, dataset: str = "street") -> list[DoneJob]:
    """Return jobs of ten images, completed one after the other until noon."""
    length = timedelta(minutes=10 * person_minutes)
    ends = [NOON - number * length for number in range(count)]
    return [DoneJob(10, end - length, end, dataset) for end in ends]


def test_who_is_three_times_as_fast_gets_three_times_as_many_jobs() -> None:
    found = forecast(jobs(8), [somebody("ann", 1), somebody("bob", 3)], PolicyState())
    assert [one.annotator for one in found].count("ann") == 6
    assert found[0].reason == (
        "forecast: 1 minutes an image, learned from 9 jobs: ann completes it first, about Wed 12:10 UTC, before bob"
    )


def test_a_job_waits_for_somebody_who_will_complete_it_before_those_who_could_get_it() -> None:
    fast, slow = somebody("ann", 1, 10, limit=1), somebody("bob", 5, limit=1)
    [last] = forecast(jobs(1), [fast, slow], PolicyState())
    assert (last.annotator, last.reason) == (None, "waits: ann is expected to complete it first")
    first, *_ = forecast(jobs(9), [fast, slow], PolicyState())
    assert first.annotator == "bob", "with so many he completes one meanwhile"


def test_who_may_have_to_take_a_job_home_gets_it_only_if_nobody_else_is_nearly_as_fast() -> None:
    leaves = replace(somebody("ann", 5), calendar=WorkCalendar(NOON + 4 * 60 * MINUTE, OFFICE))
    [close] = forecast(jobs(1), [leaves, somebody("bob", 30)], PolicyState())
    assert close.annotator == "bob", "ann has ten minutes more than it should take"
    [slow] = forecast(jobs(1), [leaves, somebody("bob", 300)], PolicyState())
    assert slow.annotator == "ann"


def test_a_job_does_not_wait_for_somebody_of_whom_nobody_knows_when_they_work() -> None:
    stuck = Annotator("ann", 1, 10, limit=1, pace=Pace(1, 9), open_minutes=10)
    [one] = forecast(jobs(1), [stuck, somebody("bob", 5)], PolicyState())
    assert one.annotator == "bob"


def test_while_too_little_is_known_the_least_loaded_gets_it_and_the_reason_says_so() -> None:
    team = [Annotator("ann", open_images=5), Annotator("bob")]
    [found], [expected] = forecast(jobs(1), team, PolicyState()), least_loaded(jobs(1), team, PolicyState())
    assert found.annotator == expected.annotator == "bob"
    assert found.reason == f"forecast knows too little yet; {expected.reason}"


@given(
    paces=st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 9), st.booleans()), min_size=1, max_size=5),
    count=st.integers(0, 15),
    limit=st.none() | st.integers(1, 3),
)
def test_limits_and_absences_hold_and_the_order_of_arguments_does_not_count(
    paces: list[tuple[float, int, bool]], count: int, limit: int | None
) -> None:
    team = [
        somebody(f"p{number}", minutes, 10 * held, limit=limit, unavailable="is away" if away else "")
        for number, (minutes, held, away) in enumerate(paces)
    ]
    found = forecast(jobs(count), team, PolicyState())
    turned = forecast(jobs(count)[::-1], team[::-1], PolicyState())
    assert [one.annotator for one in found] == [one.annotator for one in turned]
    assert [one.job_id for one in found] == [one.id for one in jobs(count)]
    assert all(one.reason and "\n" not in one.reason for one in found)
    for one in team:
        got = sum(choice.annotator == one.name for choice in found)
        assert not (got and one.unavailable)
        assert limit is None or not got or one.open_jobs + got <= limit
    if count and not any(one.obstacle(jobs(1)[0]) for one in team):
        assert any(one.annotator for one in found), "somebody gets a job if all may"


def test_what_is_learned_of_a_person_counts_the_more_the_more_jobs_there_are() -> None:
    few = learn({"ann": done(1, 20), "bob": done(4, 1)}, {}, NOON).pace("bob", "street")
    many = learn({"ann": done(1, 20), "bob": done(4, 20)}, {}, NOON).pace("bob", "street")
    assert few is not None
    assert many is not None
    assert 1 < few.minutes < many.minutes < 4
    assert many.minutes > 3.5
    assert many.error < few.error


def test_somebody_who_is_slow_elsewhere_is_expected_to_be_slow_here() -> None:
    learned = learn({"ann": [*done(1, 9), *done(2, 9, "night")], "bob": done(4, 20)}, {}, NOON)
    bob, new = learned.pace("bob", "night"), learned.pace("cleo", "night")
    assert bob is not None
    assert new is not None
    assert bob.minutes > new.minutes == learned.means["night"]


def test_with_few_timed_jobs_nothing_is_known_and_accepted_shares_are_mixed_with_those_of_all() -> None:
    assert learn({"ann": done(1, LEAST_JOBS - 1)}, {}, NOON).pace("ann", "street") is None
    reviews = {("ann", "street"): Reviewed(40, 10), ("bob", "street"): Reviewed(40, 40)}
    learned = learn({"ann": done(1, LEAST_JOBS)}, reviews, NOON)
    shares = [pace.accepted for name in ("ann", "cleo", "bob") if (pace := learned.pace(name, "street"))]
    assert shares == sorted(shares)
    assert shares[1] == 50 / 80


@given(minutes=st.floats(0, 20_000), hour=st.integers(0, 200))
def test_the_end_of_work_is_after_as_many_minutes_of_the_hours(minutes: float, hour: int) -> None:
    begin = NOON + hour * 60 * MINUTE
    end = WorkCalendar(begin, OFFICE, 0.5).end(minutes)
    assert abs(minutes_between(begin, end, OFFICE) - 2 * minutes) < 0.01


def test_a_share_is_of_the_hours_in_which_somebody_had_work() -> None:
    begin = NOON - DAY
    half = [DoneJob(10, begin, begin + number * 20 * MINUTE, "street") for number in range(1, 16)]
    history = WorkHistory(NOON, {"ann": half}, {})
    [day] = history.days("ann", OFFICE)
    assert 0.9 < day.share <= 1.1


def test_of_open_jobs_the_part_since_the_last_sign_is_done_and_what_came_back_takes_half_of_its_time() -> None:
    history = WorkHistory(NOON, {"ann": done(1, 9)}, {"ann": [NOON - 4 * MINUTE]})
    later = replace(history, now=NOON + 4 * MINUTE)
    first, back = OpenJob(10, "street"), OpenJob(10, "street", returned=True)
    assert history.minutes_left("ann", [first, back], OFFICE, "street") == 15
    assert later.minutes_left("ann", [first, back], OFFICE, "street") == 11
    much_later = replace(history, now=NOON + 60 * MINUTE)
    assert round(much_later.minutes_left("ann", [first, back], OFFICE, "street"), 6) == 7


def test_a_calendar_begins_when_an_absence_ends_and_none_is_known_of_who_is_stuck() -> None:
    rules = AssignmentRules("forecast", PersonRules(1, OFFICE))
    team = [Annotator(name, 1, 10, limit=1) for name in ("ann", "bob", "cleo")]
    held = {"ann": [NOON - 5 * MINUTE], "bob": [NOON - 5 * DAY], "cleo": [NOON]}
    history = WorkHistory(NOON, {"ann": done(1, 9), "bob": [], "cleo": done(1, 9)}, held)
    images = {name: {"street": 10.0} for name in held}
    ann, bob, cleo = informed(team, "street", rules, history, images, {"cleo": NOON + DAY})
    assert ann.calendar is not None
    assert cleo.calendar is not None
    assert bob.calendar is None
    assert ann.open_minutes == 10
    assert cleo.calendar.end(1) > NOON + DAY > ann.calendar.end(1)
