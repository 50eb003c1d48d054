"""Ids that need no list: each is made of the hash of what it identifies, so that new items change no earlier id.

A key is 64 bits of the hash. An id is a number from 1 to 2^53-1 made of the key: doubles, in which COCOeval keeps ids,
hold those exactly. Two keys can give one id. Then one of them gets the next free id, as an exception that the manifest
records and later releases take over.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from labelyard.errors import InputError

BITS = 53

Keys = npt.NDArray[np.uint64]
"""Keys, shape (n,), uint64."""
IdArray = npt.NDArray[np.int64]
"""Ids, shape (n,), int64."""


def key_of(data: bytes) -> int:
    """Return the key of some data: 64 bits of its BLAKE2b hash."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def repeated_key(key: int, number: int) -> int:
    """Return the key of the `number`-th repetition of an item, counted from 1."""
    return key_of(b"%d repetition %d" % (key, number))


@dataclass(slots=True)
class Ids:
    """Ids of keys. `bits` is smaller than 53 only in tests, where ids collide."""

    exceptions: dict[int, int] = field(default_factory=dict)
    bits: int = BITS

    @property
    def count(self) -> int:
        """How many ids there are, from 1."""
        return (1 << self.bits) - 1

    def id_of(self, key: int) -> int:
        """Return the id of a key."""
        return self.exceptions.get(key) or 1 + key % self.count

    def ids_of(self, keys: Keys) -> IdArray:
        """Return the ids of keys, in their order."""
        ids = keys % np.uint64(self.count)
        ids += np.uint64(1)
        if self.exceptions:
            listed = np.fromiter(self.exceptions, np.uint64, len(self.exceptions))
            for position in np.flatnonzero(np.isin(keys, listed)):
                ids[position] = self.exceptions[int(keys[position])]
        found: IdArray = ids.view(np.int64)
        return found

    def resolve(self, keys: Keys, holders: Callable[[IdArray], Mapping[int, int]]) -> bool:
        """Add an exception for each key but one of an id that several have; return whether there were any.

        `keys` are distinct. `holders` returns the key that has an id in the previous release: it keeps the id. Raises
        InputError if there are more keys than ids.
        """
        ordered = self.ids_of(keys)
        ordered.sort()  # in place: a copy of millions of ids would be the most memory that a merge needs
        contested = _repeated(ordered)
        if not contested.size:
            return False
        ids = self.ids_of(keys)
        if keys.size > self.count:
            raise InputError(f"{keys.size} items need more than {self.count} ids")
        taken = {*map(int, ids), *self.exceptions.values()}
        members: dict[int, list[int]] = defaultdict(list)
        for position in np.flatnonzero(np.isin(ids, contested)):
            members[int(ids[position])].append(int(keys[position]))
        held = holders(contested)
        added = {}
        for number in sorted(members):
            order = sorted(members[number], key=lambda key: (held.get(number) != key, key not in self.exceptions, key))
            for key in order[1:]:
                added[key] = self._next_free(number, taken)
        self.exceptions |= added
        return True

    def _next_free(self, number: int, taken: set[int]) -> int:
        while number in taken:
            number = number % self.count + 1
        taken.add(number)
        return number


def duplicates(values: npt.NDArray[Any]) -> Any:
    """Return the values that occur more than once, sorted."""
    return _repeated(np.sort(values))


def _repeated(ordered: npt.NDArray[Any]) -> Any:
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def among(values: IdArray, others: IdArray) -> npt.NDArray[np.bool_]:
    """Return for each value whether it is among others, shape (n,). It needs less memory than numpy's `isin`."""
    if not others.size:
        return np.zeros(values.size, np.bool_)
    ordered = np.sort(others)
    positions = np.searchsorted(ordered, values)
    np.minimum(positions, ordered.size - 1, out=positions)
    found: npt.NDArray[np.bool_] = ordered[positions] == values
    return found
