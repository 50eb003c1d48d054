"""Pairs of boxes that overlap almost wholly."""

from __future__ import annotations

import numpy as np

from labelyard.releases.report.reading import Contents, Numbers, Positions

SAME = 0.9
"""Intersection over union above which two boxes are the same."""
COMPARED = 64
"""With how many boxes to its right, on one image, a box is compared."""


def same_boxes(contents: Contents) -> tuple[Positions, Positions, Numbers]:
    """Return pairs of boxes on one image with an intersection over union above `SAME`: rows, rows, and the overlap.

    Of many boxes that begin at nearly the same place, each is compared with the next `COMPARED` to its right.
    """
    boxes = contents.boxes
    rows = np.flatnonzero(boxes.is_box)
    rows = rows[np.lexsort((boxes.id[rows], boxes.box[rows, 0], boxes.image[rows]))]
    left, right, overlaps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    active = np.arange(len(rows))
    for step in range(1, COMPARED + 1):
        active = active[active + step < len(rows)]
        one, two = rows[active], rows[active + step]
        # The part of the left box that both share is narrower than it by the distance of their left sides.
        distance = boxes.box[two, 0] - boxes.box[one, 0]
        near = (boxes.image[one] == boxes.image[two]) & (distance < (1 - SAME) * boxes.box[one, 2])
        active, one, two = active[near], one[near], two[near]
        if not len(active):
            break
        overlap = _overlaps(boxes.box[one], boxes.box[two])
        same = overlap > SAME
        left.append(one[same])
        right.append(two[same])
        overlaps.append(overlap[same])
    return np.concatenate(left), np.concatenate(right), np.concatenate(overlaps)


def _overlaps(one: Numbers, two: Numbers) -> Numbers:
    """Return the intersection over union of boxes, row by row: shapes (n, 4), (n, 4), (n,)."""
    start = np.maximum(one[:, :2], two[:, :2])
    end = np.minimum(one[:, :2] + one[:, 2:], two[:, :2] + two[:, 2:])
    shared = np.maximum(end - start, 0).prod(axis=1)
    found: Numbers = shared / (one[:, 2:].prod(axis=1) + two[:, 2:].prod(axis=1) - shared)
    return found
