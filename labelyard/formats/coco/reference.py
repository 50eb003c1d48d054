"""pycocotools, the reference implementation of COCO. This is the only module that imports it.

Coordinates must be below `COORDINATE_LIMIT`, and documents free of errors: pycocotools crashes on others.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import coco as _coco
from pycocotools import mask as _mask

from labelyard.annotations.content import Mask, Polygons

_log = logging.getLogger(__name__)

# pycocotools prints while it reads. Its module gets a `print` of its own: redirecting sys.stdout is not thread-safe.
_coco.print = lambda *words: _log.debug("pycocotools: %s", " ".join(map(str, words)))


def verify_with_pycocotools(path: Path) -> tuple[int, int]:
    """Return how many images and annotations pycocotools finds in a file."""
    coco = _coco.COCO(str(path))
    image_ids = coco.getImgIds()
    return len(image_ids), len(coco.getAnnIds(imgIds=image_ids, catIds=coco.getCatIds()))


def raster_area(polygons: Polygons, height: int, width: int) -> float:
    """Return the number of pixels that the polygons cover inside the image, overlaps counted once."""
    return float(_mask.area(_merged(polygons, height, width)))


def rasterise(polygons: Polygons, height: int, width: int) -> Mask:
    """Return the common mask of the polygons."""
    flat = np.asarray(_mask.decode(_merged(polygons, height, width))).ravel(order="F")
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), int(flat.size)]
    runs = [stop - start for start, stop in pairwise(edges)]
    return Mask(height, width, (0, *runs) if flat[0] else tuple(runs))


def _merged(polygons: Polygons, height: int, width: int) -> Any:
    return _mask.merge(_mask.frPyObjects([list(outline) for outline in polygons], height, width))
