"""The policies: limits hold, each job has one choice with a reason, and nothing depends on the order of arguments."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.assignment import (
    ASSIGNMENT_POLICIES,
    Annotator,
    Choice,
    FreeJob,
    PersonRules,
    PolicyState,
    by_skill,
    least_loaded,
    pool,
    round_robin,
    unavailable,
)
from labelyard.domain.working_hours import WorkingHours, parse_hours

COUNTS = st.integers(0, 40)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SKILLS = st.frozensets(st.sampled_from(["night", "tumour"]))
each_policy = pytest.mark.parametrize("name", ASSIGNMENT_POLICIES)


def jobs(count: int) -> list[FreeJob]:
    return [FreeJob(100 + i, 1, i * 5, 5) for i in range(count)]


def people(count: int, limit: int | None = None) -> list[Annotator]:
    return [Annotator(f"p{i}", limit=limit) for i in range(count)]


free_jobs = st.lists(
    st.builds(
        FreeJob, id=st.integers(1, 99), batch=st.integers(1, 4), start_frame=st.integers(0, 50),
        images=st.integers(1, 50), skills=SKILLS, left_by=st.sampled_from([None, "ann", "bob"]),
    ),
    max_size=12, unique_by=lambda job: job.id,
)  # fmt: skip
teams = st.lists(
    st.builds(
        Annotator, name=st.sampled_from(["ann", "bob", "cleo", "dan"]), open_jobs=st.integers(0, 5),
        open_images=st.integers(0, 200), limit=st.none() | st.integers(1, 5),
        unavailable=st.sampled_from(["", "", "is away"]),
        levels=st.dictionaries(st.sampled_from(["night", "tumour"]), st.integers(1, 10)),
        last_assigned=st.none() | st.integers(0, 99).map(lambda n: NOON + timedelta(hours=n)),
    ),
    min_size=1, max_size=4, unique_by=lambda one: one.name,
)  # fmt: skip


@each_policy
@given(waiting=free_jobs, team=teams, assigned=st.integers(0, 100), data=st.data())
def test_every_policy_makes_one_choice_with_a_reason_for_each_job_within_all_limits_in_any_order(
    name: str, waiting: list[FreeJob], team: list[Annotator], assigned: int, data: st.DataObject
) -> None:
    policy, state = ASSIGNMENT_POLICIES[name], PolicyState(assigned)
    choices = policy(waiting, team, state)
    assert sorted(one.job_id for one in choices) == sorted(job.id for job in waiting)
    assert all(one.reason and "\n" not in one.reason for one in choices)
    by_job, members = {job.id: job for job in waiting}, {one.name: one for one in team}
    given_to = Counter(one.annotator for one in choices if one.annotator)
    for who, count in given_to.items():
        limit = members[who].limit
        assert not members[who].unavailable
        assert limit is None or members[who].open_jobs + count <= limit
    for one in choices:
        job = by_job[one.job_id]
        if one.annotator is not None:
            assert one.annotator != job.left_by
            assert job.skills <= members[one.annotator].levels.keys()
        else:  # nobody who has room in the end could have got it
            after = [replace(each, open_jobs=each.open_jobs + given_to[each.name]) for each in team]
            assert all(each.obstacle(job) for each in after)
            assert all(each.name in one.reason for each in team)
    assert policy(data.draw(st.permutations(waiting)), team, state) == choices


@each_policy
@given(count=st.integers(1, 12), team=teams)
def test_no_job_starves_while_somebody_can_get_it_and_completes_jobs(
    name: str, count: int, team: list[Annotator]
) -> None:
    waiting, present = jobs(count), [replace(one, unavailable="", open_jobs=0, last_assigned=None) for one in team]
    order: list[int] = []
    for hour in range(count + 1):
        for one in ASSIGNMENT_POLICIES[name](waiting, present, PolicyState(len(order))):
            if one.annotator is not None:
                order.append(one.job_id)
                waiting = [job for job in waiting if job.id != one.job_id]
        present = [replace(each, open_jobs=0, last_assigned=NOON + timedelta(hours=hour)) for each in present]
    assert waiting == []
    assert order == sorted(order), "the oldest first"


@given(COUNTS, st.integers(1, 6), st.integers(0, 100))
def test_round_robin_gives_no_annotator_two_jobs_more_than_another(count: int, size: int, assigned: int) -> None:
    load = Counter(choice.annotator for choice in round_robin(jobs(count), people(size), PolicyState(assigned)))
    names = [one.name for one in people(size)]
    assert max(load[name] for name in names) - min(load[name] for name in names) <= 1


@given(st.lists(st.integers(0, 7), max_size=8), st.integers(1, 5))
def test_round_robin_continues_from_batch_to_batch(batches: list[int], size: int) -> None:
    choices: list[Choice] = []
    for count in batches:
        choices += round_robin(jobs(count), people(size), PolicyState(len(choices)))
    assert [choice.annotator for choice in choices] == [f"p{i % size}" for i in range(len(choices))]


def test_round_robin_goes_by_first_frame_and_gives_its_turn_as_the_reason() -> None:
    one, two = round_robin(list(reversed(jobs(2))), [Annotator("ann"), Annotator("bob")], PolicyState())
    assert one == Choice(100, "ann", "round robin, turn 1 over 2")
    assert two == Choice(101, "bob", "round robin, turn 2 over 2")
    full = [Annotator("ann", 2, limit=2), Annotator("bob")]
    [passed] = round_robin(jobs(1), full, PolicyState())
    assert (passed.annotator, passed.reason) == ("bob", "round robin, turn 1 over 2, after ann, who cannot get it")


def test_the_least_loaded_annotator_has_the_fewest_images_of_all_datasets() -> None:
    team = [Annotator("ann", open_images=12), Annotator("bob", open_images=3)]
    assert [one.annotator for one in least_loaded(jobs(3), team, PolicyState())] == ["bob", "bob", "ann"]
    assert least_loaded(jobs(1), team, PolicyState())[0].reason.startswith("least loaded: 3 open images")


def test_the_best_with_room_gets_a_job_that_needs_a_skill_and_nobody_else_does() -> None:
    ann, bob = (Annotator(name, limit=1, levels={"night": level}) for name, level in (("ann", 3), ("bob", 1)))
    team = [ann, bob, Annotator("cleo")]
    at_night = [replace(job, skills=frozenset({"night"})) for job in jobs(3)]
    first, second, third = by_skill(at_night, team, PolicyState())
    assert (first.annotator, second.annotator, third.annotator) == ("ann", "bob", None)
    assert first.reason == "by skill: night at level 3, with 0 open images"
    assert third.reason == "waits: ann has 1 of 1 open jobs; bob has 1 of 1 open jobs; cleo is not named for night"


def test_of_the_pool_the_one_who_waited_longest_gets_the_next_job() -> None:
    team = [Annotator("ann", limit=1, last_assigned=NOON), Annotator("bob", limit=1, last_assigned=NOON - timedelta(1))]
    first, second, third = pool(jobs(3), team, PolicyState())
    assert (first.annotator, second.annotator, third.annotator) == ("bob", "ann", None)
    assert first.reason == "the next job of the pool: 0 of 1 open before"


def test_nobody_gets_a_job_while_away_or_outside_of_working_hours() -> None:
    weekdays = PersonRules(hours=WorkingHours((parse_hours("mon-fri 09:00-17:00"),), UTC))
    assert unavailable(weekdays, NOON, None, is_away=False) == ""
    assert unavailable(weekdays, NOON + timedelta(hours=5), None, is_away=False) == "does not work at this time"
    assert unavailable(weekdays, NOON, None, is_away=True) == "is away"
    assert unavailable(PersonRules(), NOON, NOON + timedelta(1), is_away=True) == "is away until 2026-01-02 12:00 UTC"
