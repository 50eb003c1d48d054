"""Durations of steps from a batch's history."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from labelyard.domain.states import TRANSITIONS, BatchState
from labelyard.domain.step_durations import STEPS, Reached, states_reached

Steps = list[tuple[str, str, float]]
BEGIN = datetime(2026, 11, 30, tzinfo=UTC)


def history(*reached: tuple[int, str], batch: str = "street-00001") -> list[Reached]:
    """Entries, each with its second and its state; their ids are their numbers from 1."""
    return [
        Reached(n, batch, BEGIN + timedelta(seconds=at), BatchState(state)) for n, (at, state) in enumerate(reached, 1)
    ]


def step_durations(entries: Iterable[Reached], new: Collection[int]) -> Steps:
    return [(one.batch, one.step, one.seconds) for one in states_reached(entries, new) if one.step]


def test_each_step_lasts_from_the_state_before_to_its_own() -> None:
    entries = history((0, "closed"), (2, "created"), (5, "uploaded"), (9, "ready"), (10, "assigned"))
    assert step_durations(entries, range(1, 6)) == [
        ("street-00001", "create_task", 2.0),
        ("street-00001", "upload_data", 3.0),
        ("street-00001", "wait_for_status", 4.0),
        ("street-00001", "assign_jobs", 1.0),
    ]


def test_only_steps_that_ended_with_a_new_entry_count() -> None:
    entries = history((0, "closed"), (2, "created"), (5, "uploaded"))
    assert [step for _, step, _ in step_durations(entries, {3})] == ["upload_data"]


def test_work_of_people_begins_with_the_first_of_several_assigned_jobs() -> None:
    entries = history((0, "ready"), (1, "assigned"), (2, "assigned"), (3, "assigned"), (61, "completed"))
    assert step_durations(entries, {5}) == [("street-00001", "annotate", 60.0)]


def test_a_step_that_failed_or_was_begun_again_has_no_duration() -> None:
    entries = history((0, "created"), (2, "failed"), (500, "created"), (501, "closed"), (504, "created"))
    assert step_durations(entries, range(1, 6)) == [("street-00001", "create_task", 3.0)]


def test_a_state_is_reached_once_however_many_entries_say_so() -> None:
    entries = history((0, "ready"), (1, "assigned"), (2, "assigned"), (9, "failed"), (12, "assigned"))
    assert [one.state for one in states_reached(entries, {2, 3, 4, 5})] == ["assigned", "failed", "assigned"]


def test_batches_do_not_mix() -> None:
    one, other = history((0, "closed"), (2, "created")), history((1, "closed"), batch="street-00002")
    assert step_durations([one[0], *other, one[1]], {2}) == [("street-00001", "create_task", 2.0)]


def test_every_step_is_a_transition_that_exists() -> None:
    assert all(after in TRANSITIONS[before] for before, after in STEPS)
