"""Ids: made of hashes, unique, and the same for ever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.errors import InputError
from labelyard.releases.ids import BITS, IdArray, Ids, among, duplicates, key_of

BITS_THAT_COLLIDE = 8

keys = st.sets(st.integers(0, 2**64 - 1), max_size=60)


def array_of(numbers: set[int] | list[int]) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(list(numbers), np.uint64)


def nobody(_contested: IdArray) -> dict[int, int]:
    return {}


@given(keys)
def test_the_ids_of_an_array_are_those_of_its_keys(numbers: set[int]) -> None:
    ids = Ids(dict.fromkeys(list(numbers)[:2], 7))
    assert ids.ids_of(array_of(numbers)).tolist() == [ids.id_of(key) for key in numbers]
    assert all(1 <= ids.id_of(key) <= 2**BITS - 1 for key in numbers)


@given(keys)
def test_colliding_ids_are_resolved_in_the_same_way_in_any_order(numbers: set[int]) -> None:
    ids, other = Ids(bits=BITS_THAT_COLLIDE), Ids(bits=BITS_THAT_COLLIDE)
    ids.resolve(array_of(sorted(numbers)), nobody)
    other.resolve(array_of(sorted(numbers, reverse=True)), nobody)
    assert ids == other
    found = [ids.id_of(key) for key in numbers]
    assert len(set(found)) == len(numbers)
    assert all(1 <= number < 2**BITS_THAT_COLLIDE for number in found)
    assert not ids.resolve(array_of(numbers), nobody)


@given(keys, keys)
def test_an_id_that_was_given_once_stays_when_keys_are_added(earlier: set[int], later: set[int]) -> None:
    ids = Ids(bits=BITS_THAT_COLLIDE)
    ids.resolve(array_of(earlier), nobody)
    before = {key: ids.id_of(key) for key in earlier}
    holders = {number: key for key, number in before.items()}
    ids.resolve(
        array_of(earlier | later), lambda contested: {n: holders[n] for n in contested.tolist() if n in holders}
    )
    assert {key: ids.id_of(key) for key in earlier} == before
    assert len({ids.id_of(key) for key in earlier | later}) == len(earlier | later)


def test_more_keys_than_ids_are_an_error() -> None:
    with pytest.raises(InputError, match="300 items need more than 255 ids"):
        Ids(bits=BITS_THAT_COLLIDE).resolve(array_of([key_of(b"%d" % n) for n in range(300)]), nobody)


numbers = st.lists(st.integers(-5, 5))


@given(numbers, numbers)
def test_sets_of_ids_are_compared_as_python_does(some: list[int], others: list[int]) -> None:
    left, right = np.array(some, np.int64), np.array(others, np.int64)
    assert among(left, right).tolist() == [one in others for one in some]
    assert duplicates(left).tolist() == sorted({one for one in some if some.count(one) > 1})
