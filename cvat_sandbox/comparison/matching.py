"""Matching: pairs of annotations of two sources, so that the sum of their similarities is the greatest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from cvat_sandbox.comparison.assignment import assign

T = TypeVar("T")


@dataclass
class Matches(Generic[T]):
    """The pairs that two sources have in common, and what only one of them has."""

    matched: list[tuple[T, T]] = field(default_factory=list)
    mismatched: list[tuple[T, T]] = field(default_factory=list)
    """Pairs in the same place, but with different labels."""
    first_only: list[T] = field(default_factory=list)
    second_only: list[T] = field(default_factory=list)

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


def match(
    first: Sequence[T], second: Sequence[T], similarities: np.ndarray, threshold: float, same: Callable[[T, T], bool]
) -> Matches[T]:
    """Return the best matches of two sources.

    similarities: a row for each of the first and a column for each of the second, from 0 (apart) to 1 (equal).
    same: whether two have the same label; that does not change the pairs.
    """
    result: Matches[T] = Matches()
    if not first or not second:
        result.first_only, result.second_only = list(first), list(second)
        return result
    costs = _costs(similarities, threshold)
    for row, column in enumerate(assign(costs)):
        if costs[row, column] < 1:
            pair = first[row], second[column]
            (result.matched if same(*pair) else result.mismatched).append(pair)
        else:
            result.first_only += first[row : row + 1]
            result.second_only += second[column : column + 1]
    return result


def _costs(similarities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the square matrix of 1 - similarity; 1 where there is no pair, or too little similarity."""
    costs = np.ones((max(similarities.shape),) * 2)
    distances = 1 - np.nan_to_num(similarities, nan=0.0, posinf=0.0, neginf=0.0)
    costs[: distances.shape[0], : distances.shape[1]] = np.where(distances <= 1 - threshold, distances, 1.0)
    return costs
