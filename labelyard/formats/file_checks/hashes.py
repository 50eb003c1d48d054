"""The hashes by which items are compared."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np


class Hashes:
    """A hash of each item, in their order: 8 bytes each. Items whose hash is the only one are equal to no other."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._without: set[int] = set()

    def add(self, key: Any) -> None:
        """Add the hash of the next item's key; None for an item that cannot be compared."""
        if key is None:
            self._without.add(len(self._hashes))
        self._hashes.append(hash(key) if key is not None else 0)

    def extend(self, hashes: Sequence[int]) -> None:
        """Add the hashes of the next items."""
        self._hashes.extend(hashes)

    def repeated(self) -> list[int]:
        """Return the indexes of items whose hash may not be the only one, in ascending order."""
        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.empty(0, np.int64)
        ordered = np.sort(hashes)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        if not again.size:
            return []
        return [index for index in np.flatnonzero(np.isin(hashes, again)).tolist() if index not in self._without]
