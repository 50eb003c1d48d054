"""Arithmetic on masks agrees with pycocotools, which counts pixel by pixel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from labelyard.annotations.content import Mask
from labelyard.annotations.masks import intersection_over_union

HEIGHT, WIDTH = 6, 7
PIXELS = HEIGHT * WIDTH


def mask(*runs: int) -> Mask:
    return Mask(HEIGHT, WIDTH, runs)


def of_cuts(cuts: set[int], *, starts_in_foreground: bool) -> Mask:
    runs = [stop - start for start, stop in pairwise([0, *sorted(cuts), PIXELS])]
    return mask(0, *runs) if starts_in_foreground else mask(*runs)


# pycocotools merges masks with an empty run after the first wrongly.
masks = st.builds(of_cuts, st.sets(st.integers(1, PIXELS - 1), max_size=8), starts_in_foreground=st.booleans())


def compressed(one: Mask) -> Any:
    return coco_mask.frPyObjects({"counts": list(one.runs), "size": [one.height, one.width]}, one.height, one.width)


@given(masks, masks)
def test_the_overlap_is_that_of_pycocotools(one: Mask, other: Mask) -> None:
    union = coco_mask.area(coco_mask.merge([compressed(one), compressed(other)]))
    both = coco_mask.area(coco_mask.merge([compressed(one), compressed(other)], intersect=True))
    assert intersection_over_union(one, other) == pytest.approx(both / union if union else 1.0)


def test_masks_of_different_sizes_do_not_overlap() -> None:
    assert intersection_over_union(mask(0, PIXELS), Mask(WIDTH, HEIGHT, (0, PIXELS))) == 0.0


def test_two_empty_masks_are_equal() -> None:
    assert intersection_over_union(mask(PIXELS), mask(PIXELS)) == 1.0


def test_empty_runs_are_allowed() -> None:
    assert intersection_over_union(mask(0, 0, PIXELS), mask(0, 0, 0, PIXELS)) == 0.0
    assert intersection_over_union(mask(2, 0, 0, PIXELS - 2), mask(2, PIXELS - 2)) == 1.0
