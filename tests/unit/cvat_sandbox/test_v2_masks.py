"""Masks, ellipses and outlines of the formats of CVAT 2.x."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvat_sandbox.formats import masks
from cvat_sandbox.formats.v2 import contours, ellipse
from cvat_sandbox.formats.v2.dataset import Annotation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code

PIXELS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))
)


@given(PIXELS)
def test_a_mask_comes_back_from_its_rows(pixels: np.ndarray) -> None:
    height, width = pixels.shape
    rows = masks.to_rows(masks.encode(pixels))
    assert np.array_equal(masks.decode(masks.from_rows(list(map(float, rows)), height, width)), pixels)
    assert sum(rows[:-4]) == (rows[-2] - rows[-4] + 1) * (rows[-1] - rows[-3] + 1)


@given(PIXELS)
def test_a_mask_comes_back_from_its_columns(pixels: np.ndarray) -> None:
    mask = masks.encode(pixels)
    for counts in (masks.run_lengths(mask), masks.compressed(mask)):
        assert np.array_equal(masks.decode(masks.from_run_lengths(counts, *pixels.shape)), pixels)


@pytest.mark.parametrize(
    "points", [[0, 5, 0, 0, 1, 1], [0, -1, 5, 0, 0, 1, 1], [0, 4, 9, 9, 10, 10], [0, 4, -1, 0, 0, 1]]
)
def test_a_mask_beyond_its_box_or_image_is_an_error(points: list[float]) -> None:
    with pytest.raises(ValueError, match=r"."):
        masks.from_rows(points, 10, 10)


def test_a_mask_with_too_few_pixels_is_filled_up() -> None:
    assert masks.area(masks.from_rows([0, 5, 0, 0, 9, 9], 20, 20)) == 5


def at(x: float, y: float, rx: float, ry: float, rotation: float = 0.0) -> Annotation:
    return Annotation("ellipse", 0, {"rotation": rotation}, 0, points=[x - rx, y - ry, x + rx, y + ry])


RADIUS = st.integers(1, 30)


@settings(deadline=None)
@given(RADIUS, RADIUS, st.integers(0, 359))
def test_an_ellipse_turned_by_half_is_the_same(rx: int, ry: int, rotation: int) -> None:
    first, second = (ellipse.drawn(at(40, 40, rx, ry, turn), 81, 81) for turn in (rotation, rotation + 180))
    left, right = masks.decode(first), masks.decode(second)
    assert np.abs(left.astype(int) - right).sum() <= 0.05 * left.sum() + 4
    assert left[40, 40] == 1


@settings(deadline=None)
@given(RADIUS, RADIUS)
def test_an_ellipse_fills_its_box_from_border_to_border(rx: int, ry: int) -> None:
    assert masks.box(ellipse.drawn(at(40, 40, rx, ry), 81, 81)) == (40 - rx, 40 - ry, 2 * rx + 1, 2 * ry + 1)


@settings(deadline=None)
@given(RADIUS, RADIUS, st.floats(0, 360, allow_nan=False))
def test_an_outline_has_about_the_area_of_the_ellipse(rx: int, ry: int, rotation: float) -> None:
    outlined = masks.area(ellipse.outlined(at(40.5, 40.5, rx, ry, rotation), 81, 81))
    assert abs(outlined - np.pi * rx * ry) <= 4 * (rx + ry)


def test_an_ellipse_beyond_the_image_is_cut() -> None:
    drawn = masks.decode(ellipse.drawn(at(0, 0, 5, 5), 10, 10))
    assert drawn[0, :6].all()
    assert not drawn[0, 6:].any()
    assert not masks.area(ellipse.drawn(at(-50, -50, 5, 5), 10, 10))


@pytest.mark.parametrize(
    ("rows", "polygons"),
    [
        ([".....", ".####", ".####", ".####"], [[1, 1, 1, 3, 4, 3, 4, 1, 1, 1]]),
        (["###.###"] * 3, [[4, 0, 4, 2, 6, 2, 6, 0, 4, 0], [0, 0, 0, 2, 2, 2, 2, 0, 0, 0]]),
        (["#####", "#...#", "#...#", "#####"], [[0, 0, 0, 3, 4, 3, 4, 0, 0, 0]]),
        (["#", ".", "."], []),
        (["...", "###", "..."], []),
    ],
)
def test_outlines_are_closed_and_lose_holes_and_lines(rows: list[str], polygons: list[list[float]]) -> None:
    pixels = np.array([[cell == "#" for cell in row] for row in rows])
    assert contours.polygons(masks.encode(pixels)) == polygons


@settings(deadline=None)
@given(PIXELS)
def test_corners_of_outlines_are_pixels_of_the_mask(pixels: np.ndarray) -> None:
    for points in contours.polygons(masks.encode(pixels)):
        assert points[:2] == points[-2:]
        assert all(pixels[int(y), int(x)] for x, y in zip(points[::2], points[1::2], strict=True))
