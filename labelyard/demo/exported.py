"""The objects of the dataset files that labelyard wrote, from their JSON.

It shares no code with `labelyard.formats`: an error there would otherwise go unnoticed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelyard.demo.drawn import MERGED, OUTLINE_OF_CVAT, Drawn, as_text, pixels_geometry, rounded, run_pixels

_EXTRA = {"tags": "tag", "polylines": "polyline", "cuboids": "cuboid", "points": "points"}
_MARGIN = 1.0  # pixels by which the mask of an ellipse may differ from it

Account = Mapping[str, Any]
"""The account of a dataset file: `drawn`, `in_file` (numbers by kind and label) and `left_out`."""


@dataclass(frozen=True)
class Export:
    """The dataset files of a task: the objects by image, which is the object's key, and every account of them."""

    task_id: int
    images: Mapping[str, Counter[Drawn]]
    accounts: Sequence[Account] = field(default_factory=list)


def read_export(files: Sequence[Path], account: Account | None) -> Export:
    """Return the content of a COCO file and its extra file, if there is one. `account` is that of the ledger."""
    documents = [json.loads(file.read_bytes()) for file in files]
    images: dict[str, Counter[Drawn]] = {image["file_name"]: Counter() for image in documents[0]["images"]}
    for document in documents:
        keys = {image["id"]: image["file_name"] for image in document["images"]}
        for image_id, one in _objects(document):
            images[keys[image_id]][one] += 1
    accounts = [document["info"]["account"] for document in documents]
    return Export(documents[0]["info"]["task_id"], images, [*accounts, account or {}])


def _objects(document: Any) -> Iterator[tuple[int, Drawn]]:
    categories = {category["id"]: category for category in document["categories"]}
    for annotation in document.get("annotations", ()):
        category = categories[annotation["category_id"]]
        for kind, geometry in _instances(annotation, category):
            yield (
                annotation["image_id"],
                Drawn(kind, category["name"], geometry, _attributes(annotation, category, kind)),
            )
    for part, kind in _EXTRA.items():
        for annotation in document.get(part, ()):
            category = categories[annotation["category_id"]]
            points = [value for point in annotation.get("points", ()) for value in point]
            attributes = _attributes(annotation, category, kind)
            yield annotation["image_id"], Drawn(kind, category["name"], rounded(*points), attributes)


def _instances(annotation: Any, category: Any) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield kind and geometry of what an annotation holds: merged polygons are several."""
    own, segmentation = annotation["attributes"], annotation["segmentation"]
    if "keypoints" in annotation:
        yield category["type"], rounded(*annotation["keypoints"])
    elif "ellipse" in own:
        yield "ellipse", _ellipse(segmentation, own)
    elif isinstance(segmentation, dict):
        yield "mask", pixels_geometry(_pixels(segmentation))
    elif "rotation" in own:
        corners = segmentation[0] if own["rotation"] else []
        yield "rectangle", rounded(*annotation["bbox"], *corners)
    elif "track_id" in own and not own["keyframe"]:
        yield "polygon", OUTLINE_OF_CVAT
    else:
        yield from (("polygon", rounded(*outline)) for outline in segmentation)


def _pixels(segmentation: Any) -> set[tuple[int, int]]:
    """Return the pixels (x, y) of COCO's run lengths, which go column by column."""
    height, _ = segmentation["size"]
    return {(x, y) for y, x in run_pixels(segmentation["counts"], height, 0, 0)}


def _ellipse(segmentation: Any, own: Any) -> tuple[float, ...]:
    """Return the geometry of an ellipse; none if its mask is not that ellipse, to a pixel."""
    (x, y, radius_x, radius_y), turn = own["ellipse"], math.radians(own["rotation"])
    direction = complex(math.cos(turn), -math.sin(turn))
    height, width = segmentation["size"]
    pixels = _pixels(segmentation)

    def is_inside(column: int, row: int, by: float) -> bool:
        offset = complex(column + 0.5 - x, row + 0.5 - y) * direction
        return math.hypot(offset.real / max(radius_x + by, 0.01), offset.imag / max(radius_y + by, 0.01)) <= 1

    reach = max(radius_x, radius_y)
    columns = range(max(int(x - reach), 0), min(int(x + reach) + 1, width))
    rows = range(max(int(y - reach), 0), min(int(y + reach) + 1, height))
    core = {(column, row) for column in columns for row in rows if is_inside(column, row, -_MARGIN)}
    fits = core <= pixels and all(is_inside(column, row, _MARGIN) for column, row in pixels)
    return rounded(x, y, radius_x, radius_y, own["rotation"]) if fits else ()


def _attributes(annotation: Any, category: Any, kind: str) -> tuple[tuple[str, str], ...]:
    own = annotation["attributes"]
    if own.get("group") and kind in MERGED:
        return ()
    names = [spec["name"] for spec in category.get("attributes", ())] + ["occluded"] * ("occluded" in own)
    return tuple(sorted((name, as_text(own[name])) for name in names))
