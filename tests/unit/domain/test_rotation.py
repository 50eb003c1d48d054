from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.rotation import in_turn


@given(st.integers(0, 500), st.integers(1, 50), st.integers(0, 10**9))
def test_each_has_one_turn_in_as_many_as_it_takes_and_none_is_too_long(size: int, most: int, first: int) -> None:
    turns = max(1, -(-size // most))
    looks = [in_turn(range(size), most, first + turn) for turn in range(turns)]
    assert sorted(thing for look in looks for thing in look) == list(range(size))
    assert all(len(look) <= most for look in looks)
