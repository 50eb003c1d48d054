"""Polygons as pixels, the way CVAT counts them. Only for coordinates below `HUGE`: larger ones kill pycocotools."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from labelyard.annotations.content import Polygons, Rle

HUGE = 1e6
"""Coordinates from here on make pycocotools run out of memory or crash (it walks outlines in fifths of a pixel)."""


def raster_area(polygons: Polygons, height: int, width: int) -> float:
    """Pixels that the polygons cover inside the image, overlaps counted once."""
    return float(coco_mask.area(_merged(polygons, height, width)))


def rasterise(polygons: Polygons, height: int, width: int) -> Rle:
    """The polygons' common mask."""
    flat = np.asarray(coco_mask.decode(_merged(polygons, height, width))).ravel(order="F")
    turns = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), int(flat.size)]
    runs = [stop - start for start, stop in pairwise(turns)]
    return Rle(height, width, (0, *runs) if flat[0] else tuple(runs))


def overlap(one: Rle, other: Rle) -> float:
    """Intersection over union of two masks whose runs add up; 0 where their sizes differ, 1 where both are empty."""
    if (one.height, one.width) != (other.height, other.width):
        return 0.0
    first, second = _compressed(one), _compressed(other)
    union = float(coco_mask.area(coco_mask.merge([first, second])))
    return float(coco_mask.area(coco_mask.merge([first, second], intersect=True))) / union if union else 1.0


def _merged(polygons: Polygons, height: int, width: int) -> Any:
    return coco_mask.merge(coco_mask.frPyObjects([list(p) for p in polygons], height, width))


def _compressed(rle: Rle) -> Any:
    return coco_mask.frPyObjects({"counts": list(rle.counts), "size": [rle.height, rle.width]}, rle.height, rle.width)
