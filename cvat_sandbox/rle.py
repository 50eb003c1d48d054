"""Polygons as run lengths, as the COCO tools draw them: a fifth of a pixel fine, by columns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

SCALE = 5
MOST_STEPS = 20_000_000


def polygon_counts(points: list[float], height: int, width: int) -> list[int]:
    """The run lengths (background first) of one polygon [x0, y0, x1, y1, …] on a canvas.

    Raises ValueError for coordinates that no canvas has: NaN, infinity, an outline of millions of pixels.
    """
    corners = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all() or np.abs(np.diff(corners, axis=0)).sum() * SCALE > MOST_STEPS:
        raise ValueError("a polygon's outline is too long to draw")
    outline = np.trunc(SCALE * corners + 0.5).astype(np.int64)
    closed = np.vstack([outline, outline[:1]])
    drawn = np.vstack([_edge(a, b) for a, b in pairwise(closed)])
    return _counts(_crossings(drawn, height, width), height * width)


def _edge(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Every point of the grid on the way from one corner to the next."""
    (dx, dy) = np.abs(end - start)
    steep = dx < dy
    flip = start[1] > end[1] if steep else start[0] > end[0]
    first, last = (end, start) if flip else (start, end)
    steps = np.arange(max(dx, dy) + 1)
    if flip:
        steps = steps[::-1]
    along, across = (1, 0) if steep else (0, 1)
    slope = (last[across] - first[across]) / max(dx, dy) if max(dx, dy) else 0.0
    points = np.empty((len(steps), 2), dtype=np.int64)
    points[:, along] = steps + first[along]
    points[:, across] = np.trunc(first[across] + slope * steps + 0.5)
    return points


def _crossings(drawn: np.ndarray, height: int, width: int) -> np.ndarray:
    """The places, counted down the columns, where the outline crosses the middle of a column."""
    u, v = drawn[:, 0], drawn[:, 1]
    moved = np.flatnonzero(u[1:] != u[:-1]) + 1
    x = (np.where(u[moved] < u[moved - 1], u[moved], u[moved] - 1) + 0.5) / SCALE - 0.5
    y = np.ceil(np.clip((np.minimum(v[moved], v[moved - 1]) + 0.5) / SCALE - 0.5, 0, height))
    inside = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    return np.asarray(x[inside] * height + y[inside], dtype=np.int64)


def _counts(crossings: np.ndarray, size: int) -> list[int]:
    runs = np.diff(np.concatenate([[0], np.sort(crossings), [size]])).tolist()
    counts: list[int] = []
    joined = False
    for place, run in enumerate(runs):
        if joined:
            counts[-1] += run
            joined = False
        elif run > 0 or place == 0:
            counts.append(run)
        else:
            joined = True
    return counts


def area(counts: list[int]) -> int:
    """The pixels of a mask."""
    return sum(counts[1::2])


def union(masks: list[list[int]], size: int) -> list[int]:
    """The run lengths of all masks together."""
    if len(masks) == 1:
        return masks[0]
    covered = np.zeros(size, dtype=bool)
    for counts in masks:
        covered |= np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    changes = np.flatnonzero(np.diff(covered)) + 1
    edges = np.concatenate([[0], changes, [size]])
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if size and covered[0] else runs
