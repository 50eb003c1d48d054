"""Arithmetic on masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelyard.annotations.content import Mask

_Pixels = npt.NDArray[np.int64]


def intersection_over_union(one: Mask, other: Mask) -> float:
    """Return the overlap of two masks, from 0 to 1: 0 if their sizes differ, 1 if both are empty.

    The runs of each mask must add up to its size.
    """
    if (one.height, one.width) != (other.height, other.width):
        return 0.0
    one_ends, other_ends = np.cumsum(one.runs), np.cumsum(other.runs)
    edges = np.union1d(one_ends, other_ends)
    lengths = np.diff(edges, prepend=0)
    in_one, in_other = _is_foreground(one_ends, edges), _is_foreground(other_ends, edges)
    union = int(lengths[in_one | in_other].sum())
    return int(lengths[in_one & in_other].sum()) / union if union else 1.0


def _is_foreground(run_ends: _Pixels, edges: _Pixels) -> npt.NDArray[np.bool_]:
    """Return for each stretch of pixels that ends at an edge whether it is inside a foreground run."""
    return np.equal(np.searchsorted(run_ends, edges) % 2, 1)
