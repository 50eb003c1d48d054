"""What a dataset file asks of its CVAT that CVAT 1.0.0 does not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labelyard.config.dataset import DatasetSpec
from labelyard.config.fields import Problem
from labelyard.config.loading import errors_at
from labelyard.config.task_section import UploadMethod
from labelyard.cvat_names import organization_of
from labelyard.domain.labels import LabelType


def needs_of_cvat_2(spec: DatasetSpec) -> Iterator[Problem]:
    """Yield each field that only CVAT 2.x has, and what a file for CVAT 1.0.0 does without it."""
    if organization_of(spec.cvat):
        yield ("cvat",), "it has no organizations: remove the organization"
    if spec.task.project is not None:
        yield ("task", "project"), "it has no projects: remove it"
    if spec.task.upload is UploadMethod.CLOUD:
        yield ("task", "upload"), "it reads no bucket: write stream, remote or share"
    for name in ("ground_truth", "honeypots", "replicas"):
        if getattr(spec.quality, name) is not None:
            yield ("quality", name), "it has no quality control: remove it"
    for number, label in enumerate(spec.task.labels):
        at = ("task", "labels", number)
        if label.color is not None:
            yield (*at, "color"), "its labels have no color: remove it"
        if label.type not in (None, LabelType.ANY, LabelType.SKELETON):
            yield (*at, "type"), f"its annotators may draw anything with a label, not {label.type} alone: remove it"
        if label.points:
            yield (*at, "points"), "it has no skeletons: remove points and lines, or draw points"


def reject_for_cvat_1(path: Path, spec: DatasetSpec) -> None:
    """Raise SpecError with the line of each field that only CVAT 2.x has; `spec` was read from `path`."""
    problems = [(where, f"the CVAT is of version 1: {words}") for where, words in needs_of_cvat_2(spec)]
    if problems:
        raise errors_at(path, problems)
