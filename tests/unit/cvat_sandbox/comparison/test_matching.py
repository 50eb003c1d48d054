"""Matching: the assignment of rows to columns, and pairs of boxes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.comparison.assignment import assign
from cvat_sandbox.comparison.matching import Matches, match
from cvat_sandbox.comparison.similarity import box_overlaps
from cvat_sandbox.state.areas import box_overlap

COSTS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 1.0]) | st.floats(0, 1)
MATRICES = st.integers(0, 5).flatmap(
    lambda n: st.lists(st.lists(COSTS, min_size=n, max_size=n), min_size=n, max_size=n)
)
Labeled = tuple[str, tuple[int, int, int, int]]
BOXES: st.SearchStrategy[list[Labeled]] = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(10, 20), st.integers(10, 20)),
    ),
    max_size=5,
)
THRESHOLD = 0.5


def pairs(first: list[Labeled], second: list[Labeled], threshold: float = THRESHOLD) -> Matches[Labeled]:
    overlaps = box_overlaps([box for _, box in first], [box for _, box in second])
    return match(first, second, overlaps, threshold, lambda a, b: a[0] == b[0])


@settings(deadline=None)
@given(MATRICES)
def test_no_other_assignment_costs_less(rows: list[list[float]]) -> None:
    costs = np.array(rows).reshape(len(rows), len(rows))
    found = assign(costs)
    assert sorted(found) == list(range(len(rows)))
    best = min(sum(costs[row, column] for row, column in enumerate(order)) for order in permutations(found))
    assert abs(sum(costs[row, column] for row, column in enumerate(found)) - best) < 1e-9


def test_among_equal_solutions_lower_columns_go_to_earlier_rows() -> None:
    assert assign(np.ones((4, 4))) == [0, 1, 2, 3]


@settings(deadline=None)
@given(BOXES, BOXES)
def test_each_annotation_is_in_one_pair_or_alone(first: list[Labeled], second: list[Labeled]) -> None:
    found = pairs(first, second)
    assert sorted([*(a for a, _ in found.pairs), *found.first_only]) == sorted(first)
    assert sorted([*(b for _, b in found.pairs), *found.second_only]) == sorted(second)


@settings(deadline=None)
@given(BOXES, BOXES)
def test_a_pair_is_similar_enough_and_matched_when_its_labels_agree(
    first: list[Labeled], second: list[Labeled]
) -> None:
    found = pairs(first, second)
    assert all(box_overlap(a[1], b[1]) >= THRESHOLD - 1e-9 for a, b in found.pairs)
    assert all(a[0] == b[0] for a, b in found.matched)
    assert all(a[0] != b[0] for a, b in found.mismatched)


@settings(deadline=None)
@given(BOXES)
def test_an_equal_copy_matches_completely_in_any_order(first: list[Labeled]) -> None:
    found = pairs(first, first[::-1])
    assert (found.first_only, found.second_only) == ([], [])
    assert all(a[1] == b[1] for a, b in found.pairs)


@settings(deadline=None)
@given(BOXES, BOXES)
def test_the_sides_can_be_exchanged(first: list[Labeled], second: list[Labeled]) -> None:
    one, other = pairs(first, second), pairs(second, first)
    overlap = [sum(box_overlap(a[1], b[1]) for a, b in found.pairs) for found in (one, other)]
    assert abs(overlap[0] - overlap[1]) < 1e-9


def test_what_is_apart_is_no_pair_even_without_a_threshold() -> None:
    found = pairs([("a", (0, 0, 10, 10))], [("a", (50, 50, 60, 60))], threshold=0.0)
    assert (found.pairs, len(found.first_only), len(found.second_only)) == ([], 1, 1)


def test_the_sum_of_overlaps_decides_and_not_the_closest_pair() -> None:
    left, right = ("a", (0, 0, 10, 10)), ("a", (4, 0, 14, 10))
    found = pairs([left, right], [("a", (2, 0, 12, 10)), ("a", (6, 0, 16, 10))], threshold=0.1)
    assert [(a, b[1][0]) for a, b in found.matched] == [(left, 2), (right, 6)]
