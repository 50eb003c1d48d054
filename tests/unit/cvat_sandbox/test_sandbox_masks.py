"""Masks of polygons, and their run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as pycocotools_mask

from cvat_sandbox.formats import masks
from tests.support.examples import examples

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code

COORDINATES = st.floats(-20, 60, allow_nan=False).map(lambda value: round(value, 2))
POLYGONS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=8).map(
    lambda points: [value for point in points for value in point]
)


@pytest.mark.parametrize(
    ("polygons", "runs"),
    [
        ([[1, 1, 3, 1, 3, 3, 1, 3]], [6, 2, 3, 2, 12]),
        ([[0, 0, 2, 0, 2, 2, 0, 2]], [0, 2, 3, 2, 18]),
        ([[0, 0, 2, 0, 2, 2, 0, 2], [1, 1, 3, 1, 3, 3, 1, 3]], [0, 2, 3, 3, 3, 2, 12]),
        ([[9, 9, 12, 9, 12, 12]], [25]),
        ([[-9, -9, 30, -9, 30, 30, -9, 30]], [0, 25]),
    ],
)
def test_run_lengths_count_columns_and_begin_with_the_background(polygons: list[list[float]], runs: list[int]) -> None:
    assert masks.run_lengths(masks.draw(polygons, 5, 5)) == runs


@settings(deadline=None, max_examples=examples(300))
@given(st.lists(POLYGONS, min_size=1, max_size=3), st.integers(1, 40), st.integers(1, 40))
@example([[1.0, 1.0, 11.0, 1.0, 11.0, 11.0, 1.0, 11.0]], 10, 10)
@example([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], 1, 1)
def test_run_lengths_describe_the_whole_mask(polygons: list[list[float]], height: int, width: int) -> None:
    mask = masks.draw(polygons, height, width)
    runs = masks.run_lengths(mask)
    again = pycocotools_mask.frPyObjects({"counts": runs, "size": [height, width]}, height, width)
    assert sum(runs) == height * width
    assert sum(runs[1::2]) == masks.area(mask)
    assert all(run > 0 for run in runs[1:])
    assert np.array_equal(pycocotools_mask.decode(again), pycocotools_mask.decode(mask))


@pytest.mark.parametrize(
    "points", [[0, 0, float("nan"), 1, 1, 1], [0, 0, 1e12, 1, 1, 1], [0, 0, float("inf"), 0, 1, 1]]
)
def test_an_endless_outline_is_an_error(points: list[float]) -> None:
    with pytest.raises(ValueError, match="too long"):
        masks.draw([points], 10, 10)


PIXELS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: st.lists(
        st.lists(st.booleans(), min_size=size[1], max_size=size[1]), min_size=2 * size[0], max_size=2 * size[0]
    )
)


@settings(deadline=None)
@given(PIXELS)
def test_one_mask_without_another_has_the_pixels_of_the_first_alone(rows: list[list[bool]]) -> None:
    pixels = np.array(rows, dtype=np.uint8)
    first, second = pixels[: len(pixels) // 2], pixels[len(pixels) // 2 :]
    found = masks.without(masks.encode(first), masks.encode(second))
    assert (masks.decode(found) == (first > second)).all()
    union, common = (first | second).sum(), (first & second).sum()
    assert masks.overlap(masks.encode(first), masks.encode(second)) == pytest.approx(common / union if union else 0)


def test_a_long_mask_without_another_is_right_too() -> None:
    first, second = (np.zeros((3000, 40), dtype=np.uint8) for _ in range(2))
    first[100:2900, 3:30], second[1500:2999, 10:40], second[5, 5] = 1, 1, 1
    found = masks.without(masks.encode(first), masks.encode(second))
    assert (masks.decode(found) == (first > second)).all()
