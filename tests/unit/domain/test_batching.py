from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize

from labelyard.config import Batching
from labelyard.domain.batching import (
    BatchContents,
    BatchEvent,
    Decision,
    MarkerArrives,
    ObjectArrives,
    PersonCloses,
    TimePasses,
    closes_at,
    decide,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Batching(max_objects=3, max_bytes=ByteSize(1000), quiet=timedelta(seconds=60), max_age=timedelta(seconds=300))


def contents(objects: int = 1, size: int = 10, last: float = 0) -> BatchContents:
    return BatchContents(objects, size, START, START + timedelta(seconds=last))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def on_time(now: float, **filled: float) -> str | None:
    return decide(RULES, contents(**filled), TimePasses(at(now))).close_after  # type: ignore[arg-type]


def test_the_object_that_reaches_the_count_closes_the_batch_after_it_joins() -> None:
    assert decide(RULES, contents(objects=1), ObjectArrives(10, at(1))) == Decision()
    assert decide(RULES, contents(objects=2), ObjectArrives(10, at(1))) == Decision(None, "it holds 3 objects")


def test_an_object_that_would_exceed_the_bytes_closes_the_batch_before_it() -> None:
    assert decide(RULES, contents(size=900), ObjectArrives(99, at(1))) == Decision()
    assert decide(RULES, contents(size=900), ObjectArrives(100, at(1))) == Decision(None, "it holds 1000B")
    assert decide(RULES, contents(size=900), ObjectArrives(101, at(1))) == Decision(
        "the next object would exceed 1000B"
    )


def test_a_single_object_always_fits_and_closes_its_own_batch_if_it_is_too_large() -> None:
    assert decide(RULES, contents(0, 0), ObjectArrives(5000, at(0))) == Decision(None, "it holds 1000B")
    both = decide(RULES, contents(), ObjectArrives(5000, at(1)))
    assert both == Decision("the next object would exceed 1000B", "it holds 1000B")


def test_an_object_that_arrives_at_the_greatest_age_still_joins() -> None:
    assert decide(RULES, contents(), ObjectArrives(1, at(300))) == Decision(None, "its first object arrived 5 min ago")


def test_a_batch_closes_when_no_object_arrived_for_the_quiet_time() -> None:
    assert on_time(69, last=10) is None
    assert on_time(70, last=10) == "no object arrived for 1 min"


def test_a_batch_closes_at_its_greatest_age_though_objects_keep_arriving() -> None:
    assert on_time(299, last=290) is None
    assert on_time(300, last=290) == "its first object arrived 5 min ago"


def test_a_batch_that_is_full_by_changed_rules_closes_as_time_passes() -> None:
    assert on_time(1, objects=3) == "it holds 3 objects"


def test_a_marker_and_a_person_close_the_batch_at_once() -> None:
    assert (
        decide(RULES, contents(), MarkerArrives("s3://b/_SUCCESS")).close_after == "the marker s3://b/_SUCCESS arrived"
    )
    assert decide(RULES, contents(), PersonCloses()).close_after == "closed by a person"


@pytest.mark.parametrize("event", [MarkerArrives("s3://b/_SUCCESS"), PersonCloses(), TimePasses(at(10**6))])
def test_an_empty_batch_never_closes(event: BatchEvent) -> None:
    assert decide(RULES, contents(objects=0, size=0), event) == Decision()


seconds = st.integers(1, 10**5).map(lambda s: timedelta(seconds=s))


@given(st.none() | seconds, seconds, st.integers(0, 10**5))
def test_the_closing_time_is_the_first_moment_at_which_time_alone_closes_the_batch(
    quiet: timedelta | None, age: timedelta, last: int
) -> None:
    rules, one = Batching(max_objects=100, quiet=quiet, max_age=age), contents(last=last)
    moment = closes_at(rules, one)
    assert moment is not None
    assert decide(rules, one, TimePasses(moment)).close_after is not None
    assert decide(rules, one, TimePasses(moment - timedelta(milliseconds=1))) == Decision()


def test_a_batch_that_only_a_marker_closes_has_no_closing_time() -> None:
    assert closes_at(Batching(quiet=None, max_age=None, marker="_SUCCESS"), contents()) is None


sizes = st.lists(st.integers(0, 1500), max_size=30)


@given(sizes)
def test_a_batch_exceeds_a_limit_only_with_a_single_object(arriving: list[int]) -> None:
    batch = BatchContents(0, 0, START, START)
    for size in arriving:
        decision = decide(RULES, batch, ObjectArrives(size, START))
        if decision.close_before:
            assert batch.objects
            batch = BatchContents(0, 0, START, START)
        batch = BatchContents(batch.objects + 1, batch.bytes + size, START, START)
        assert batch.objects <= RULES.max_objects
        assert batch.bytes <= RULES.max_bytes or batch.objects == 1
        assert bool(decision.close_after) == (batch.objects == RULES.max_objects or batch.bytes >= RULES.max_bytes)
        if decision.close_after:
            batch = BatchContents(0, 0, START, START)
