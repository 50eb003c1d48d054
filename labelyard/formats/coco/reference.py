"""pycocotools, the reference implementation of COCO. This is the only module that imports it.

Coordinates must be below `COORDINATE_LIMIT`, and documents free of errors: pycocotools crashes on others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pycocotools import coco as _coco
from pycocotools import mask as _mask

from labelyard.annotations.masks import Pixels

_log = logging.getLogger(__name__)

# pycocotools prints while it reads. Its module gets a `print` of its own: redirecting sys.stdout is not thread-safe.
_coco.print = lambda *words: _log.debug("pycocotools: %s", " ".join(map(str, words)))


def verify_with_pycocotools(path: Path) -> tuple[int, int]:
    """Return how many images and annotations pycocotools finds in a file."""
    coco = _coco.COCO(str(path))
    image_ids = coco.getImgIds()
    return len(image_ids), len(coco.getAnnIds(imgIds=image_ids, catIds=coco.getCatIds()))


def polygon_pixels(polygons: Sequence[Sequence[float]], width: int, height: int) -> Pixels:
    """Return the pixels that polygons cover inside an image."""
    merged = _mask.merge(_mask.frPyObjects([list(outline) for outline in polygons], height, width))
    return np.asarray(_mask.decode(merged), np.uint8)


def raster_area(polygons: Sequence[Sequence[float]], width: int, height: int) -> float:
    """Return the number of pixels that polygons cover inside an image, overlaps counted once."""
    return float(_mask.area(_mask.merge(_mask.frPyObjects([list(outline) for outline in polygons], height, width))))
