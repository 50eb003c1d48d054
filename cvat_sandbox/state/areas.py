"""Areas: how much two boxes or two polygons overlap, from 0 (apart) to 1 (equal): intersection over union."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple


class Point(NamedTuple):
    """A point of an outline."""

    x: float
    y: float


def box_overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the overlap of two boxes; each may name any two opposite corners."""
    (a0, b0, a1, b1), (c0, d0, c1, d1) = first, second
    width = min(max(a0, a1), max(c0, c1)) - max(min(a0, a1), min(c0, c1))
    height = min(max(b0, b1), max(d0, d1)) - max(min(b0, b1), min(d0, d1))
    common = max(0.0, width) * max(0.0, height)
    union = abs((a1 - a0) * (b1 - b0)) + abs((c1 - c0) * (d1 - d0)) - common
    return common / union if union else 0.0


def polygon_overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the overlap of two polygons; 0 for one that crosses itself or has no area."""
    left, right = _points(first), _points(second)
    areas = abs(_signed_area(left)), abs(_signed_area(right))
    if not all(areas) or _are_apart(left, right) or not (_is_simple(left) and _is_simple(right)):
        return 0.0
    common = abs(_common_area(left, right))
    return common / (sum(areas) - common)


def _points(values: Sequence[float]) -> list[Point]:
    return [Point(x, y) for x, y in zip(values[::2], values[1::2], strict=False)]


def _signed_area(points: Sequence[Point]) -> float:
    """Return the area; negative where the points run the other way round."""
    return sum(_cross(a, b) for a, b in zip(points, [*points[1:], *points[:1]], strict=True)) / 2


def _cross(a: Point, b: Point) -> float:
    return a.x * b.y - b.x * a.y


def _are_apart(left: Sequence[Point], right: Sequence[Point]) -> bool:
    return any(
        max(p[axis] for p in one) <= min(p[axis] for p in other)
        for axis in (0, 1) for one, other in ((left, right), (right, left))
    )  # fmt: skip


def _is_simple(points: Sequence[Point]) -> bool:
    """Return whether no two edges cross."""
    edges = list(pairwise([*points, points[0]]))
    return not any(_cross_each_other(*first, *second) for first, second in combinations(edges, 2))


def _cross_each_other(a: Point, b: Point, c: Point, d: Point) -> bool:
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, p: Point) -> float:
    """Return on which side of the line from a to b a point is: positive for the left."""
    return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)


def _common_area(left: Sequence[Point], right: Sequence[Point]) -> float:
    """Return the area of the intersection.

    Each polygon is a sum of triangles with one common corner, some of them negative; triangles are easy to intersect.
    """
    return sum(
        sign * other_sign * abs(_signed_area(_clipped(triangle, other)))
        for sign, triangle in _fan(left) for other_sign, other in _fan(right)
    )  # fmt: skip


def _fan(points: Sequence[Point]) -> list[tuple[int, list[Point]]]:
    """Return triangles that run one way round, with the sign of their area."""
    found = []
    for a, b in pairwise(points[1:]):
        triangle = [points[0], a, b]
        area = _signed_area(triangle)
        if area:
            found.append((1, triangle) if area > 0 else (-1, triangle[::-1]))
    return found


def _clipped(points: list[Point], by: list[Point]) -> list[Point]:
    """Return a convex polygon without what lies outside of another (Sutherland and Hodgman)."""
    for a, b in pairwise([*by, by[0]]):
        kept = []
        for p, q in zip(points, [*points[1:], *points[:1]], strict=True):
            here, there = _side(a, b, p), _side(a, b, q)
            if here >= 0:
                kept.append(p)
            if here * there < 0:
                share = here / (here - there)
                kept.append(Point(p.x + (q.x - p.x) * share, p.y + (q.y - p.y) * share))
        points = kept
    return points
