"""pycocotools, the reference implementation of COCO. This is the only module that imports it.

Coordinates must be below `COORDINATE_LIMIT`, and documents free of errors: pycocotools crashes on others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import coco as _coco
from pycocotools import cocoeval as _cocoeval
from pycocotools import mask as _mask

from labelyard.annotations.masks import Pixels

_log = logging.getLogger(__name__)

# pycocotools prints while it reads. Its module gets a `print` of its own: redirecting sys.stdout is not thread-safe.
_coco.print = _cocoeval.print = lambda *words: _log.debug("pycocotools: %s", " ".join(map(str, words)))

LabelledBox = tuple[int, float, float, float, float]
"""A label's number, and x, y, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class LabelMatches:
    """Boxes of a label in a first and a second labelling, and how many pairs have an IoU of 0.5, and 0.75, or more."""

    first: int
    second: int
    matched: int
    matched_75: int


@dataclass(frozen=True, slots=True)
class Matches:
    """COCOeval's comparison of two labellings: by label, and the average precision (IoU 0.5 to 0.95, and 0.5 alone)."""

    labels: Mapping[int, LabelMatches]
    average_precision: float
    average_precision_50: float


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


def match_boxes(first: Sequence[Sequence[LabelledBox]], second: Sequence[Sequence[LabelledBox]]) -> Matches:
    """Return how COCOeval matches the boxes of a second labelling with those of a first: one list for each image.

    There must be a box. The average precision treats all boxes of the second labelling as equally certain.
    """
    count = max(map(len, (*first, *second)))
    labels = sorted({box[0] for boxes in (*first, *second) for box in boxes})
    evaluation = _cocoeval.COCOeval(_labelling(first, labels), _labelling(second, labels), "bbox")
    evaluation.params.maxDets = [1, 10, max(count, 100)]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = evaluation.params.areaRng[:1], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # IoU, recall, label; -1 where the first labelling has none
    known = precision > -1
    found = {label: _label_matches(evaluation.evalImgs, label) for label in labels}
    return Matches(
        found,
        float(precision[known].mean()) if known.any() else 0.0,
        float(precision[0][known[0]].mean()) if known[0].any() else 0.0,
    )


def _labelling(images: Sequence[Sequence[LabelledBox]], labels: Sequence[int]) -> Any:
    """Return boxes as pycocotools has them in memory, each as certain as the others."""
    found = _coco.COCO()
    rows = [(image, box) for image, boxes in enumerate(images, 1) for box in boxes]
    found.dataset = {
        "images": [{"id": image} for image in range(1, len(images) + 1)],
        "categories": [{"id": label} for label in labels],
        "annotations": [
            {"id": number, "image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0,
             "score": 1.0}
            for number, (image, (label, *box)) in enumerate(rows, 1)
        ],
    }  # fmt: skip
    found.createIndex()
    return found


def _label_matches(evaluated: Sequence[Mapping[str, Any] | None], label: int) -> LabelMatches:
    own = [one for one in evaluated if one and one["category_id"] == label]
    at_50, at_75 = 0, 5  # rows of COCOeval's thresholds 0.5, 0.55, …
    return LabelMatches(
        sum(len(one["gtIds"]) for one in own),
        sum(len(one["dtIds"]) for one in own),
        sum(int((one["gtMatches"][at_50] > 0).sum()) for one in own),
        sum(int((one["gtMatches"][at_75] > 0).sum()) for one in own),
    )
