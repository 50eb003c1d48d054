from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.backoff import exponential_backoff

WAITS = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1))


@given(first=WAITS, doublings=st.integers(-5, 100_000), more=WAITS)
def test_each_wait_is_twice_the_one_before_up_to_the_longest(first: timedelta, doublings: int, more: timedelta) -> None:
    longest = first + more
    wait, after = exponential_backoff(first, doublings, longest), exponential_backoff(first, doublings + 1, longest)
    assert first <= wait <= longest
    assert after == (first if doublings < 0 else min(2 * wait, longest))
