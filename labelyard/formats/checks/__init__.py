"""Checks of COCO documents: faults that make readers crash, or that a training run would silently suffer from.

A new rule is a function in the module of its family and a line in `CHECKS`. The errors are what pycocotools 2.0.11
crashed on, hung on or ignored.
"""

from __future__ import annotations

from dataclasses import replace

from labelyard.formats.checks import annotation_fields, boxes, categories, images, segmentations, structure
from labelyard.formats.checks.fault import DatasetFacts, Fault
from labelyard.formats.checks.rule import Rule
from labelyard.formats.checks.values import Document

CHECKS: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        structure.parts,
        images.image_id,
        images.image_name,
        images.image_size,
        images.duplicate_image_id,
        images.duplicate_image_name,
        images.similar_image_names,
        categories.category,
        categories.duplicate_category_id,
        categories.duplicate_category_name,
        annotation_fields.duplicate_annotation_id,
        annotation_fields.annotation_id,
        boxes.bbox,
        boxes.empty_bbox,
        boxes.bbox_outside_image,
        annotation_fields.annotation_image,
        annotation_fields.annotation_category,
        annotation_fields.iscrowd,
        annotation_fields.score,
        segmentations.segmentation,
        segmentations.outline,
        segmentations.run_lengths,
        segmentations.mask_size,
        boxes.area,
        boxes.empty_area,
        boxes.area_larger_than_bbox,
        annotation_fields.duplicate_annotation,
        images.rotated_image,
        categories.unknown_label,
    )
}
"""Every rule by name, in the order in which faults are reported."""


def check(document: Document, file: str, dataset: DatasetFacts | None = None) -> list[Fault]:
    """Return all faults of a document. Never raises; `file` names the document in the faults.

    Without an error among them the document can be read field by field, and pycocotools survives it.
    """
    broken = list(structure.parts(document, dataset))
    faults = broken or [fault for rule in CHECKS.values() for fault in rule(document, dataset)]
    return [replace(fault, where=f"{file}, {fault.where}" if fault.where else file) for fault in faults]
