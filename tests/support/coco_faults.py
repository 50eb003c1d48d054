"""A COCO document of CVAT without faults, and for each rule a change that breaks only this rule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from labelyard.formats.checks.fault import DatasetFacts
from tests.support.ledger_samples import dataset_spec
from tests.support.paths import recording

Document = dict[str, Any]
Change = Callable[[Document], object]
MASK = {"size": [768, 1024], "counts": [768 * 1024 - 10, 10]}
NAN, INF = float("nan"), float("inf")
DATASET = DatasetFacts(dataset_spec("street"), {"car": 1, "person": 2, "tree": 3})


def recorded() -> Document:
    """A document of CVAT 1.0.0 without faults: its images without annotations are left out."""
    found: Document = copy.deepcopy(recording(488)["zip_json"]["annotations/instances_default.json"])
    annotated = {annotation["image_id"] for annotation in found["annotations"]}
    found["images"] = [image for image in found["images"] if image["id"] in annotated]
    return found


def first(**fields: Any) -> Change:
    """Change fields of the first annotation."""
    return lambda document: document["annotations"][0].update(fields)


def without(field: str) -> Change:
    return lambda document: document["annotations"][0].pop(field)


def image(**fields: Any) -> Change:
    return lambda document: document["images"][0].update(fields)


def category(**fields: Any) -> Change:
    return lambda document: document["categories"][0].update(fields)


def one_more(part: str, **fields: Any) -> Change:
    """Add a copy of the part's first item, with other values in these fields."""
    return lambda document: document[part].append(document[part][0] | fields)


def with_large_image_id(document: Document) -> None:
    """Give the first image a large id, and its annotations too."""
    for annotation in document["annotations"]:
        annotation["image_id"] = annotation["image_id"] or 2**53
    document["images"][0]["id"] = 2**53


VIOLATIONS: dict[str, Change] = {
    "parts": lambda document: document.pop("images"),
    "non-finite": lambda document: document["info"].update(version=NAN),
    "lone-surrogate": first(attributes={"colour": "\ud83d"}),
    "large-image-id": with_large_image_id,
    "image-path": image(file_name="../a_09.jpg"),
    "image-without-annotations": one_more("images", id=99, file_name="new.jpg"),
    "similar-category-names": one_more("categories", id=99, name="Car "),
    "large-annotation-id": first(id=2**53),
    "area-smaller-than-shape": first(area=600),
    "keypoints": first(keypoints=[1, 2, 3, 4, 5], num_keypoints=1),
    "num-keypoints": first(keypoints=[1, 2, 2, 4, 5, 0], num_keypoints=2),
    "image-id": one_more("images", id=None, file_name="new.jpg"),
    "image-name": image(file_name=""),
    "image-size": image(width=None),
    "duplicate-image-id": one_more("images", file_name="new.jpg"),
    "duplicate-image-name": image(file_name="b_08.jpg"),
    "similar-image-names": image(file_name="B_08.JPG"),
    "rotated-image": image(exif_orientation=6),
    "category": one_more("categories", id=None, name="tree"),
    "duplicate-category-id": one_more("categories", name="tree"),
    "duplicate-category-name": one_more("categories", id=99),
    "annotation-id": first(id=0),
    "duplicate-annotation-id": one_more("annotations", bbox=[1, 2, 900, 700]),
    "annotation-image": first(image_id=77),
    "annotation-category": first(category_id=77),
    "iscrowd": first(iscrowd=2),
    "score": first(score="much"),
    "duplicate-annotation": one_more("annotations", id=99),
    "bbox": first(bbox=None),
    "empty-bbox": first(bbox=[1, 2, 0, 3], area=1, segmentation=[]),
    "bbox-outside-image": first(bbox=[1000, 9, 50, 5], area=250, segmentation=[]),
    "area": first(area=NAN),
    "empty-area": first(area=0),
    "area-larger-than-bbox": first(area=99999),
    "segmentation": first(segmentation=None),
    "outline": first(segmentation=[[1, 2, 3, 4]]),
    "run-lengths": first(segmentation=MASK | {"counts": [5, 5]}),
    "mask-size": first(segmentation={"size": [10, 10], "counts": [100]}),
}
"""For each rule a change of a faultless document that violates only this rule."""
