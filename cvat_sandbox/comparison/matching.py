"""Matching: pairs of annotations of two sources, so that the sum of their similarities is the greatest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from cvat_sandbox.comparison.assignment import assign

T = TypeVar("T")
Similarity = Callable[[T, T], float]
"""From 0 (apart) to 1 (equal)."""


@dataclass
class Matches(Generic[T]):
    """The pairs that two sources have in common, and what only one of them has."""

    matched: list[tuple[T, T]] = field(default_factory=list)
    mismatched: list[tuple[T, T]] = field(default_factory=list)
    """Pairs in the same place, but with different labels."""
    first_only: list[T] = field(default_factory=list)
    second_only: list[T] = field(default_factory=list)
    similarity: dict[tuple[int, int], float] = field(default_factory=dict)
    """Of all pairs that were compared, by the `id` of both."""

    @property
    def pairs(self) -> list[tuple[T, T]]:
        """All pairs."""
        return self.matched + self.mismatched

    def add(self, other: Matches[T]) -> None:
        """Add the matches of other annotations."""
        self.matched += other.matched
        self.mismatched += other.mismatched
        self.first_only += other.first_only
        self.second_only += other.second_only
        self.similarity |= other.similarity


def match(
    first: Sequence[T], second: Sequence[T], similarity: Similarity[T], threshold: float, same: Callable[[T, T], bool]
) -> Matches[T]:
    """Return the best matches of two sources. same: whether two have the same label; it decides nothing but that."""
    result: Matches[T] = Matches()
    if not first or not second:
        result.first_only, result.second_only = list(first), list(second)
        return result
    costs = _costs(first, second, similarity, threshold, result)
    for row, column in enumerate(assign(costs)):
        is_pair = costs[row, column] < 1
        if is_pair and same(first[row], second[column]):
            result.matched.append((first[row], second[column]))
        elif is_pair:
            result.mismatched.append((first[row], second[column]))
        else:
            result.first_only += first[row : row + 1]
            result.second_only += second[column : column + 1]
    return result


def _costs(
    first: Sequence[T], second: Sequence[T], similarity: Similarity[T], threshold: float, result: Matches[T]
) -> np.ndarray:
    """Return the square matrix of 1 - similarity; 1 where there is no pair, or too little similarity."""
    size = max(len(first), len(second))
    costs = np.ones((size, size))
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            value = similarity(a, b)
            result.similarity[id(a), id(b)] = value
            if np.isfinite(value) and 1 - value <= 1 - threshold:
                costs[row, column] = 1 - value
    return costs
