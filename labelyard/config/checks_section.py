"""The section `checks` of a dataset file: what every export is checked for, and how severe a fault is."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from labelyard.config.fields import Count, Section


class Level(StrEnum):
    """What a fault means."""

    ERROR = "error"
    WARNING = "warning"
    OFF = "off"


class LeastSection(Section):
    """A least number of annotations."""

    least: Count = Field(default=1, ge=1, le=1_000_000)
    """The least number of annotations."""
    severity: Level = Level.OFF
    """error: fewer stop the export. warning: the export names what has fewer. off: no check."""


class ChecksSection(Section):
    """What exports are checked for besides the faults of any COCO file.

    error: the fault stops the export; warning: the export and `labelyard status` name it; off: no check.
    """

    unknown_label: Level = Level.WARNING
    """A category of the task that is no label of the dataset."""
    label_set: Level = Level.WARNING
    """A label of the dataset file that the task does not have, or one with another id than in earlier files."""
    object_without_image: Level = Level.ERROR
    """An object of the batch that is missing in the dataset, though it is neither quarantined nor deleted."""
    annotations_per_image: LeastSection = LeastSection()
    """The least number of annotations on each image."""
    annotations_per_class: LeastSection = LeastSection()
    """The least number of annotations of each label, in each file."""
    reviewed_only: Level = Level.OFF
    """A job whose stage in CVAT is not acceptance; CVAT 1.x has no stages."""
