"""Errors that annotators can repair: each is found with its image, and nothing else is."""

from __future__ import annotations

from typing import Any

from labelyard.formats.checks.drawing import RULES, drawing_errors
from labelyard.formats.checks.fault import DatasetFacts
from tests.support.ledger_samples import dataset_spec


def facts(**checks: Any) -> DatasetFacts:
    spec = dataset_spec("street").model_dump(mode="json") | {"checks": checks}
    return DatasetFacts(type(dataset_spec("street")).model_validate(spec), {"car": 1})


def annotation(number: int, image: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0,
            "segmentation": [], **changes}  # fmt: skip


DOCUMENT: dict[str, Any] = {
    "categories": [{"id": 1, "name": "car"}],
    "images": [{"id": number, "file_name": f"{number}.jpg", "width": 50, "height": 40} for number in (1, 2, 3)],
    "annotations": [
        annotation(1, 1),
        annotation(2, 2, bbox=[1, 1, 0, 5]),
        annotation(3, 2, bbox=[-20, 1, 5, 5]),
        annotation(4, 2, segmentation=[[1, 1, 2, 2]]),
        annotation(4, 2, area=None),
    ],
}


def found(dataset: DatasetFacts) -> list[tuple[int, int | None, str]]:
    errors = drawing_errors(DOCUMENT, dataset)
    return [(one.image["id"], one.annotation["id"] if one.annotation else None, one.message) for one in errors]


def test_an_error_of_a_shape_has_its_image_and_its_annotation_and_a_warning_is_none() -> None:
    assert found(facts()) == [
        (2, 2, "its bbox is 0 x 5 pixels: it is never matched"),
        (2, 4, "an outline of its segmentation has 4 numbers: at least 6, in pairs"),
    ], "neither a box outside of the image, which is a warning, nor the number of an annotation or a missing area"


def test_an_image_with_too_few_annotations_counts_if_the_dataset_says_so() -> None:
    of_images = [one for one in found(facts(annotations_per_image={"severity": "error"})) if one[1] is None]
    assert of_images == [(3, None, "has 0 annotations, and the dataset asks for 1")]
    assert not [one for one in found(facts(annotations_per_image={"severity": "warning"})) if one[1] is None]


def test_the_rules_themselves_say_which_are_about_what_people_draw() -> None:
    names = {rule.name for rule in RULES}
    assert names == {"bbox", "empty-bbox", "outline", "run-lengths", "keypoints", "annotations-per-image"}
