"""Errors in a COCO document that its annotators can repair, each with its image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labelyard.formats.checks import CHECKS, DATASET_CHECKS
from labelyard.formats.checks.fault import DatasetFacts, Severity
from labelyard.formats.checks.values import Document

RULES = tuple(rule for rule in (*CHECKS.values(), *DATASET_CHECKS.values()) if rule.of_drawing)
"""The rules about what people draw."""


@dataclass(frozen=True, slots=True)
class DrawingError:
    """An error of an image, or of one of its annotations; both as the document has them."""

    image: dict[str, Any]
    annotation: dict[str, Any] | None
    message: str


def drawing_errors(document: Document, dataset: DatasetFacts) -> Iterator[DrawingError]:
    """Yield the errors of a document that labelyard made, image by image."""
    by_image: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in document["annotations"]:
        by_image[one["image_id"]].append(one)
    for image in document["images"]:
        own = by_image[image["id"]]
        for annotation in own:
            yield from _errors({**document, "images": [image], "annotations": [annotation]}, dataset, annotation)
        yield from _errors({**document, "images": [image], "annotations": own}, dataset, None)


def _errors(part: Document, dataset: DatasetFacts, annotation: dict[str, Any] | None) -> Iterator[DrawingError]:
    for rule in RULES:
        if (rule.part == "annotations") == (annotation is not None):
            for fault in rule(part, dataset):
                if fault.severity is Severity.ERROR:
                    yield DrawingError(part["images"][0], annotation, fault.message)
