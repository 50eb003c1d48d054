from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.rotation import rotating_subset


@given(st.integers(0, 500), st.integers(1, 50), st.integers(0, 10**9))
def test_consecutive_rounds_cover_every_item_once_and_none_exceeds_the_limit(size: int, limit: int, first: int) -> None:
    rounds = max(1, -(-size // limit))
    subsets = [rotating_subset(range(size), limit, first + number) for number in range(rounds)]
    assert sorted(item for subset in subsets for item in subset) == list(range(size))
    assert all(len(subset) <= limit for subset in subsets)
