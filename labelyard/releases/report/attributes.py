"""The values of attributes by label, counted as a stream."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

IDENTIFIERS = frozenset({"track_id", "group", "z_order", "job", "score", "rotation", "ellipse", "points"})
"""Fields among the attributes that labelyard writes and whose values are no choice of a person."""

MOST_VALUES = 1000
"""Different values of an attribute that are counted; later ones are counted together."""
_MOST_ATTRIBUTES = 5000
_MOST_PENDING = 20_000
_LONGEST = 100


@dataclass(slots=True)
class ValueCounts:
    """The values of an attribute of a label. `numbers` counts those that are numbers, from `smallest` to `largest`."""

    values: Counter[str] = field(default_factory=Counter)
    others: int = 0
    numbers: int = 0
    smallest: float = float("inf")
    largest: float = float("-inf")

    @property
    def total(self) -> int:
        """How many annotations have the attribute."""
        return self.values.total() + self.others

    def add(self, value: Any, count: int) -> None:
        """Count a value."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers += count
            self.smallest, self.largest = min(self.smallest, value), max(self.largest, value)
        text = value if isinstance(value, str) else json.dumps(value)
        text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
        if text in self.values or len(self.values) < MOST_VALUES:
            self.values[text] += count
        else:
            self.others += count


class AttributeCounts:
    """Counts the values of attributes, by the position of the label and the name of the attribute.

    Annotations with the same attributes are decoded once. `left_out` is True if there were more attributes than are
    counted.
    """

    def __init__(self) -> None:
        self.left_out = False
        self._pending: Counter[tuple[int, bytes]] = Counter()
        self._counts: dict[tuple[int, str], ValueCounts] = {}

    def add(self, label: int, attributes: bytes) -> None:
        """Count the attributes of an annotation, a JSON object, or empty if it has none."""
        if len(attributes) > 2:
            self._pending[label, attributes] += 1
            if len(self._pending) >= _MOST_PENDING:
                self.close()

    def close(self) -> None:
        """Count what was added and not counted yet."""
        for (label, attributes), count in self._pending.items():
            values = msgspec.json.decode(attributes)
            for name, value in values.items() if isinstance(values, dict) else ():
                if name not in IDENTIFIERS and value is not None:
                    self._add(label, name, value, count)
        self._pending.clear()

    def _add(self, label: int, name: str, value: Any, count: int) -> None:
        found = self._counts.get((label, name[:_LONGEST]))
        if found is None:
            if len(self._counts) >= _MOST_ATTRIBUTES:
                self.left_out = True
                return
            found = self._counts[label, name[:_LONGEST]] = ValueCounts()
        found.add(value, count)

    def __iter__(self) -> Iterator[tuple[int, str, ValueCounts]]:
        for (label, name), counts in sorted(self._counts.items(), key=lambda one: one[0]):
            yield label, name, counts
