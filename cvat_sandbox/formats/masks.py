"""Polygons as masks, drawn by pycocotools as on the real server."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as masks

MAX_OUTLINE = 4_000_000
"""Pixels. A longer outline would need too much memory."""

Mask = dict[str, Any]
"""A mask as pycocotools holds it: compressed run lengths and the size of the canvas."""


def draw(polygons: list[list[float]], height: int, width: int) -> Mask:
    """Return the mask that several polygons [x0, y0, x1, y1, …] cover together.

    Raises ValueError for an outline that is too long, and for NaN and infinity.
    """
    for points in polygons:
        corners = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(corners).all() or np.abs(np.diff(corners, axis=0)).sum() > MAX_OUTLINE:
            raise ValueError("a polygon's outline is too long to draw")
    mask: Mask = masks.merge(masks.frPyObjects(polygons, height, width))
    return mask


def area(mask: Mask) -> int:
    """Return the number of pixels that a mask covers."""
    return int(masks.area(mask))


def run_lengths(mask: Mask) -> list[int]:
    """Return the run lengths of a mask, column by column and background first, as COCO writes them."""
    pixels = masks.decode(mask).ravel(order="F")
    changes = np.flatnonzero(np.diff(pixels)) + 1
    runs: list[int] = np.diff(np.concatenate([[0], changes, [pixels.size]])).tolist()
    return [0, *runs] if pixels.size and pixels[0] else runs
