"""Checks of COCO documents: faults that make readers crash, or that a training run would silently suffer from.

A new rule is a function in the module of its family and a line in `CHECKS`. The errors are what pycocotools 2.0.11
crashed on, hung on or ignored. A rule says what is wrong with plain JSON values; `formats.file_checks` gives it only
those items of a large file that may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from labelyard.formats.checks.annotation_fields import (
    annotation_category,
    annotation_id,
    annotation_image,
    duplicate_annotation,
    duplicate_annotation_id,
    iscrowd,
    large_annotation_id,
    score,
)
from labelyard.formats.checks.boxes import (
    area,
    area_larger_than_bbox,
    area_smaller_than_shape,
    bbox,
    bbox_outside_image,
    empty_area,
    empty_bbox,
)
from labelyard.formats.checks.categories import (
    category,
    duplicate_category_id,
    duplicate_category_name,
    similar_category_names,
)
from labelyard.formats.checks.datasets import (
    annotations_per_class,
    annotations_per_image,
    label_set,
    object_without_image,
    reviewed_only,
    unknown_label,
)
from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.images import (
    duplicate_image_id,
    duplicate_image_name,
    image_id,
    image_name,
    image_path,
    image_size,
    image_without_annotations,
    large_image_id,
    rotated_image,
    similar_image_names,
)
from labelyard.formats.checks.keypoints import keypoints, num_keypoints
from labelyard.formats.checks.rule import Rule
from labelyard.formats.checks.segmentations import mask_size, outline, run_lengths, segmentation
from labelyard.formats.checks.structure import lone_surrogate, non_finite, parts
from labelyard.formats.checks.values import Document

CHECKS: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        parts,
        image_id,
        large_image_id,
        image_name,
        image_path,
        image_size,
        duplicate_image_id,
        duplicate_image_name,
        similar_image_names,
        category,
        duplicate_category_id,
        duplicate_category_name,
        similar_category_names,
        duplicate_annotation_id,
        annotation_id,
        large_annotation_id,
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
        area_smaller_than_shape,
        keypoints,
        num_keypoints,
        duplicate_annotation,
        image_without_annotations,
        rotated_image,
        non_finite,
        lone_surrogate,
    )
}
"""Every rule that needs nothing but the file, by name, in the order in which faults are reported."""

DATASET_CHECKS: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        unknown_label,
        label_set,
        object_without_image,
        annotations_per_image,
        annotations_per_class,
        reviewed_only,
    )
}
"""Every rule that needs the dataset; the section `checks` of the dataset file has its severity. Of images they read
`id` and `file_name`, of annotations `image_id` and `category_id`."""


def check(
    document: Document,
    file: str,
    dataset: DatasetFacts | None = None,
    severities: Mapping[str, Severity | None] = MappingProxyType({}),
) -> list[Fault]:
    """Return all faults of a document. Never raises; `file` names the document in the faults.

    `severities` are those of rules that differ here; a rule with None is left out. Without an error among the faults
    the document can be read field by field, and pycocotools survives it.
    """
    broken = list(parts(document, dataset))
    rules = (*CHECKS.values(), *DATASET_CHECKS.values())
    faults = broken or [fault for rule in rules for fault in rule(document, dataset)]
    return list(_placed(faults, file, severities))


def _placed(faults: Iterable[Fault], file: str, severities: Mapping[str, Severity | None]) -> Iterable[Fault]:
    for fault in faults:
        severity = severities.get(fault.rule, fault.severity)
        if severity is not None:
            yield replace(fault, where=f"{file}, {fault.where}" if fault.where else file, severity=severity)
