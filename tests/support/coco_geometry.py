"""Two COCO documents of one task, compared in their geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labelyard.formats.coco.instances import decoded
from labelyard.formats.coco.reference import polygon_pixels

Raw = Mapping[str, Any]


def by_image(document: Raw) -> dict[tuple[str, str], list[Raw]]:
    """Return the annotations by image and category."""
    images = {image["id"]: image["file_name"] for image in document["images"]}
    categories = {category["id"]: category["name"] for category in document["categories"]}
    found = defaultdict(list)
    for one in document["annotations"]:
        found[images[one["image_id"]], categories[one["category_id"]]].append(one)
    return found


def differences(ours: Raw, theirs: Raw) -> list[str]:
    """Return where two COCO documents differ in bbox, segmentation or keypoints, whatever the order.

    Boxes and polygons are equal within 0.01 pixels, masks pixel by pixel, and ellipses with an IoU of 0.95.
    """
    mine, recorded, found = by_image(ours), by_image(theirs), []
    for at in mine.keys() | recorded.keys():
        rest = list(recorded.get(at, ()))
        for one in mine.get(at, ()):
            same = next((n for n, other in enumerate(rest) if _is_same(one, other)), None)
            if same is None:
                found.append(f"only in ours, {at}: {one['bbox']} {str(one['segmentation'])[:80]}")
            else:
                rest.pop(same)
        found += [f"only in CVAT's, {at}: {one['bbox']} {str(one['segmentation'])[:80]}" for one in rest]
    return sorted(found)


def _is_same(one: Raw, other: Raw) -> bool:
    is_ellipse = "ellipse" in one["attributes"]
    boxes = _near(one["bbox"], other["bbox"], 1.0 if is_ellipse else 0.01)
    return boxes and _same_outline(one, other, least=0.95 if is_ellipse else 1.0) and _same_keypoints(one, other)


def _near(mine: Sequence[float], theirs: Sequence[float], tolerance: float = 0.01) -> bool:
    return len(mine) == len(theirs) and all(abs(a - b) <= tolerance for a, b in zip(mine, theirs, strict=True))


def _same_outline(one: Raw, other: Raw, *, least: float) -> bool:
    mine, theirs = one["segmentation"], other["segmentation"]
    if isinstance(mine, list) and isinstance(theirs, list):
        pairs = zip(sorted(mine), sorted(theirs), strict=True) if len(mine) == len(theirs) else ((mine, ()),)
        return all(_near(a, b) for a, b in pairs)
    size = next(one["size"] for one in (mine, theirs) if not isinstance(one, list))
    a, b = _pixels(mine, size), _pixels(theirs, size)
    return bool(np.logical_and(a, b).sum() >= least * np.logical_or(a, b).sum())


def _pixels(segmentation: Any, size: Sequence[int]) -> Any:
    height, width = size
    return polygon_pixels(segmentation, width, height) if isinstance(segmentation, list) else decoded(segmentation)


def _same_keypoints(one: Raw, other: Raw) -> bool:
    if "keypoints" not in other:
        return "keypoints" not in one
    return bool(one.get("keypoints") == other["keypoints"] and one["num_keypoints"] == other["num_keypoints"])
