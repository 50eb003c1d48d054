"""The similarity of two shapes of one kind."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.comparison import similarity
from cvat_sandbox.comparison.similarity import Points, Size
from cvat_sandbox.formats.v2.dataset import HIDDEN, VISIBLE, Annotation, Element, Kind
from cvat_sandbox.state.areas import box_overlap

SIZE = Size(100, 80)
PLACES = st.integers(0, 60)
BOXES = st.lists(st.tuples(PLACES, PLACES, PLACES, PLACES), max_size=5)


def shape(kind: Kind, *points: float, rotation: float = 0.0) -> Annotation:
    return Annotation(kind, 0, {"rotation": rotation} if kind in {"bbox", "ellipse"} else {}, 0, points=list(points))


def skeleton(*corners: tuple[float, float], visibility: int = VISIBLE) -> Annotation:
    elements = tuple(Element(number, x, y, visibility, {}) for number, (x, y) in enumerate(corners))
    return Annotation("skeleton", 0, {}, 0, elements=elements)


@settings(deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES), min_size=2, max_size=5, unique=True), st.integers(-15, 15))
def test_a_line_is_equal_to_itself_and_less_so_to_a_moved_one(corners: list[tuple[int, int]], step: int) -> None:
    line = shape("polyline", *(value for corner in corners for value in corner))
    moved = shape("polyline", *(value + step for corner in corners for value in corner))
    found = similarity.of_lines([line, moved], [line, moved], SIZE, 0.01)
    assert [found[0, 0], found[1, 1]] == pytest.approx([1, 1])
    assert (found[0, 1] == pytest.approx(1)) == (step == 0)
    assert found[1, 0] == pytest.approx(found[0, 1])


def test_a_reversed_line_is_only_similar_when_its_direction_does_not_count() -> None:
    line, reverse = shape("polyline", 10, 10, 60, 10), shape("polyline", 60, 10, 10, 10)
    assert similarity.of_lines([line], [reverse], SIZE, 0.01) == pytest.approx(1)
    assert similarity.of_directed_lines(line, reverse, SIZE, 0.01) < 0.5


def test_boxes_of_one_rotation_are_compared_unturned_and_others_as_pixels() -> None:
    turned = shape("bbox", 10, 30, 50, 40, rotation=90)
    others = [turned, shape("bbox", 25, 15, 35, 55), shape("bbox", 10, 30, 50, 40)]
    [[same, upright, unturned]] = similarity.of_boxes([turned], others, SIZE)
    assert same == 1
    assert upright == pytest.approx(1, abs=0.05)
    assert unturned < 0.3


def test_an_ellipse_is_an_area_and_turns_with_its_rotation() -> None:
    flat, tall = shape("ellipse", 10, 30, 50, 40, rotation=90), shape("ellipse", 25, 15, 35, 55)
    assert similarity.of_areas([flat], [tall], SIZE) == pytest.approx(1, abs=0.1)


@settings(deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=5, unique=True), st.randoms())
def test_points_are_a_set_whose_order_does_not_count(corners: list[tuple[int, int]], random: Random) -> None:
    shuffled = random.sample(corners, len(corners))
    group, other = (shape("points", *(v for corner in order for v in corner)) for order in (corners, shuffled))
    box = group.box
    if box[2] and box[3]:
        found = similarity.of_point_groups([(group, box)], [(other, box)], SIZE, Points(0.09, 0.4))
        assert found == pytest.approx(1)


def test_single_points_are_compared_on_the_scale_of_the_image() -> None:
    point, near, far = shape("points", 10, 10), shape("points", 11, 10), shape("points", 70, 60)
    others = [(other, other.box) for other in (near, far)]
    [[close, distant]] = similarity.of_point_groups([(point, point.box)], others, SIZE, Points(0.09, 0.4))
    assert close > 0.99
    assert distant < 0.4


def test_hidden_points_of_a_skeleton_are_not_compared() -> None:
    seen, hidden = skeleton((0, 0), (40, 40)), skeleton((0, 0), (40, 40), visibility=HIDDEN)
    both = [(skeleton, (0.0, 0.0, 40.0, 40.0)) for skeleton in (seen, hidden)]
    assert similarity.of_skeletons(both, both, lambda _label: [0, 1], 0.09).tolist() == [[1, 0], [0, 0]]


@settings(deadline=None)
@given(BOXES, BOXES)
def test_many_boxes_at_once_have_the_overlaps_of_each_pair(first: list[Any], second: list[Any]) -> None:
    found = similarity.box_overlaps(first, second)
    assert found.tolist() == [[pytest.approx(box_overlap(a, b)) for b in second] for a in first]
