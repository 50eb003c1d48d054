"""Areas: how much boxes and polygons overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat_sandbox.state.areas import box_overlap, polygon_overlap

SIDE = st.integers(-20, 20)
BOXES = st.tuples(SIDE, SIDE, SIDE, SIDE).filter(lambda box: box[0] != box[2] and box[1] != box[3])


def outline(box: tuple[float, ...]) -> list[float]:
    left, top, right, bottom = box
    return [left, top, right, top, right, bottom, left, bottom]


@given(BOXES, BOXES)
def test_boxes_overlap_as_much_as_their_outlines(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    overlap = box_overlap(first, second)
    assert 0 <= overlap <= 1
    assert overlap == pytest.approx(box_overlap(second, first))
    assert overlap == pytest.approx(polygon_overlap(outline(first), outline(second)))


def test_a_polygon_with_a_notch_overlaps_only_where_it_is() -> None:
    notched = [0, 0, 4, 0, 4, 4, 2, 1, 0, 4]
    in_the_notch = [1.9, 3, 2.1, 3, 2.1, 4, 1.9, 4]
    assert polygon_overlap(notched, in_the_notch) == 0
    assert polygon_overlap(notched, notched) == pytest.approx(1)


def test_a_polygon_that_crosses_itself_or_has_no_area_is_like_no_other() -> None:
    square = [0, 0, 4, 0, 4, 4, 0, 4]
    assert polygon_overlap([0, 0, 4, 4, 4, 0, 0, 4], square) == 0
    assert polygon_overlap([0, 0, 4, 4, 2, 2], square) == 0
