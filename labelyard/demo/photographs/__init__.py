"""27 real photographs with boxes drawn by hand: the input of the demo and of its bots. Sources: SOURCES.md."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder of the photographs and of `ground_truth.json` (COCO)."""


@dataclass(frozen=True, slots=True)
class TrueBox:
    """An object on a photograph; corners in pixels."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph and what is on it; sizes in pixels."""

    path: Path
    width: int
    height: int
    boxes: tuple[TrueBox, ...]


@functools.cache
def photographs() -> dict[str, Photograph]:
    """Return every photograph by its file name without suffix, sorted by name."""
    truth = json.loads((FOLDER / "ground_truth.json").read_bytes())
    names = {category["id"]: category["name"] for category in truth["categories"]}
    boxes: dict[int, list[TrueBox]] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        x, y, width, height = annotation["bbox"]
        box = TrueBox(names[annotation["category_id"]], x, y, x + width, y + height)
        boxes[annotation["image_id"]].append(box)
    return {
        Path(image["file_name"]).stem: Photograph(
            FOLDER / image["file_name"], image["width"], image["height"], tuple(boxes[image["id"]])
        )
        for image in sorted(truth["images"], key=lambda image: str(image["file_name"]))
    }


def labels() -> tuple[str, ...]:
    """Return the names of all labels in the ground truth."""
    truth = json.loads((FOLDER / "ground_truth.json").read_bytes())
    return tuple(category["name"] for category in truth["categories"])
