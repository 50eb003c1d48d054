"""The dataset file: one YAML file that says where images come from, how they are labelled, where exports go.

`DatasetSpec` is a validated file. `loading` reads one; its errors name file, line, field, and what to write instead.
"""

from __future__ import annotations

from labelyard.config.checks_section import ChecksSection, LeastSection, Level
from labelyard.config.dataset import (
    Batching,
    DatasetSpec,
    Deletions,
    Overwrites,
    Source,
)
from labelyard.config.export_section import ExportSection, FaultyShapes
from labelyard.config.labels import AttributeSection, LabelSection
from labelyard.config.preannotate_section import PreannotateSection
from labelyard.config.release_section import People, ReleasedImages, ReleaseSection, SplitsSection
from labelyard.config.review_section import ReviewSection
from labelyard.config.schedule_section import ScheduleSection
from labelyard.config.task_section import TaskSection, UploadMethod

__all__ = [
    "AttributeSection",
    "Batching",
    "ChecksSection",
    "DatasetSpec",
    "Deletions",
    "ExportSection",
    "FaultyShapes",
    "LabelSection",
    "LeastSection",
    "Level",
    "Overwrites",
    "People",
    "PreannotateSection",
    "ReleaseSection",
    "ReleasedImages",
    "ReviewSection",
    "ScheduleSection",
    "Source",
    "SplitsSection",
    "TaskSection",
    "UploadMethod",
]
