"""Checks of COCO documents: faults that make readers crash, or that a training run would silently suffer from.

A new rule is a function in the module of its family and a line in `CHECKS`. The errors are what pycocotools 2.0.11
crashed on, hung on or ignored.
"""

from __future__ import annotations

from dataclasses import replace

from labelyard.formats.checks.annotation_fields import (
    annotation_category,
    annotation_id,
    annotation_image,
    duplicate_annotation,
    duplicate_annotation_id,
    iscrowd,
    score,
)
from labelyard.formats.checks.boxes import area, area_larger_than_bbox, bbox, bbox_outside_image, empty_area, empty_bbox
from labelyard.formats.checks.categories import category, duplicate_category_id, duplicate_category_name, unknown_label
from labelyard.formats.checks.fault import DatasetFacts, Fault
from labelyard.formats.checks.images import (
    duplicate_image_id,
    duplicate_image_name,
    image_id,
    image_name,
    image_size,
    rotated_image,
    similar_image_names,
)
from labelyard.formats.checks.rule import Rule
from labelyard.formats.checks.segmentations import mask_size, outline, run_lengths, segmentation
from labelyard.formats.checks.structure import parts
from labelyard.formats.checks.values import Document

CHECKS: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        parts,
        image_id,
        image_name,
        image_size,
        duplicate_image_id,
        duplicate_image_name,
        similar_image_names,
        category,
        duplicate_category_id,
        duplicate_category_name,
        duplicate_annotation_id,
        annotation_id,
        bbox,
        empty_bbox,
        bbox_outside_image,
        annotation_image,
        annotation_category,
        iscrowd,
        score,
        segmentation,
        outline,
        run_lengths,
        mask_size,
        area,
        empty_area,
        area_larger_than_bbox,
        duplicate_annotation,
        rotated_image,
        unknown_label,
    )
}
"""Every rule by name, in the order in which faults are reported."""


def check(document: Document, file: str, dataset: DatasetFacts | None = None) -> list[Fault]:
    """Return all faults of a document. Never raises; `file` names the document in the faults.

    Without an error among them the document can be read field by field, and pycocotools survives it.
    """
    broken = list(parts(document, dataset))
    faults = broken or [fault for rule in CHECKS.values() for fault in rule(document, dataset)]
    return [replace(fault, where=f"{file}, {fault.where}" if fault.where else file) for fault in faults]
