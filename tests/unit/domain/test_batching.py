from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize

from labelyard.config import Batching
from labelyard.domain.batching import Filling, due, must_close_before, next_look

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Batching(max_objects=3, max_bytes=ByteSize(1000), quiet=timedelta(seconds=60), max_age=timedelta(seconds=300))


def filling(objects: int = 1, size: int = 10, last: float = 0) -> Filling:
    return Filling(objects, size, START, START + timedelta(seconds=last))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_batch_closes_at_its_count() -> None:
    assert due(RULES, filling(objects=2), at(1)) is None
    assert due(RULES, filling(objects=3), at(1)) == "it holds 3 objects"


def test_a_batch_closes_when_it_was_quiet_for_long_enough() -> None:
    assert due(RULES, filling(last=10), at(69)) is None
    assert due(RULES, filling(last=10), at(70)) == "nothing more came for 1 min"


def test_a_batch_closes_at_its_greatest_age_though_files_keep_coming() -> None:
    assert due(RULES, filling(last=290), at(299)) is None
    assert due(RULES, filling(last=290), at(300)) == "its first object came 5 min ago"


def test_a_batch_closes_before_it_grows_beyond_its_bytes_yet_a_single_large_object_fits() -> None:
    assert must_close_before(RULES, filling(size=900), 100) is None
    assert "beyond" in (must_close_before(RULES, filling(size=900), 101) or "")
    assert must_close_before(RULES, filling(objects=0, size=0), 5000) is None


def test_an_empty_batch_never_closes() -> None:
    assert due(RULES, filling(objects=0, size=0), at(10**6)) is None


seconds = st.integers(1, 10**5).map(lambda s: timedelta(seconds=s))


@given(st.none() | seconds, seconds, st.integers(0, 10**5))
def test_the_next_look_is_the_first_moment_at_which_time_alone_closes_it(
    quiet: timedelta | None, age: timedelta, last: int
) -> None:
    rules = Batching(max_objects=100, quiet=quiet, max_age=age)
    one = filling(last=last)
    look = next_look(rules, one)
    assert look is not None
    assert due(rules, one, look) is not None
    assert due(rules, one, look - timedelta(milliseconds=1)) is None


def test_a_batch_that_only_a_marker_closes_has_no_next_look() -> None:
    assert next_look(Batching(quiet=None, max_age=None, marker="_SUCCESS"), filling()) is None
