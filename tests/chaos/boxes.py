"""The boxes of a run: what people draw, what a model predicts, and what people make of that."""

from __future__ import annotations

import json
from collections.abc import Sequence

from labelyard.domain.annotations import Shape

DRAWN = (1.0, 2.0, 9.5, 12.25)
"""The box that people draw on every frame; it overlaps a prediction by less than a half."""
TRUTH = (0.0, 0.0, 20.0, 18.0)
"""The box that people draw in ground-truth jobs."""
PREDICTED = (3.0, 4.0, 13.0, 13.0)
"""The box that the model predicts on every image."""
MOVED = (4.0, 4.0, 14.0, 13.0)
"""Where people move the predictions of some frames."""


def is_prediction(shape: Shape) -> bool:
    """Return whether a shape is a prediction, or what became of one."""
    return shape.points in (PREDICTED, MOVED)


def prediction_file(names: Sequence[str]) -> bytes:
    """Return a COCO file with the predicted box on each image."""
    left, top, right, bottom = PREDICTED
    numbered = list(enumerate(names, 1))
    document = {
        "images": [{"id": number, "file_name": name} for number, name in numbered],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "score": 0.5,
             "bbox": [left, top, right - left, bottom - top]}
            for number, _ in numbered
        ],
        "categories": [{"id": 1, "name": "car"}],
    }  # fmt: skip
    return json.dumps(document).encode()
