"""The parameters of a comparison, as quality settings hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

TYPES = ("bbox", "points", "mask", "polygon", "polyline", "skeleton", "label", "ellipse")
"""The kinds of annotations that are compared."""


@dataclass(frozen=True)
class Parameters:
    """What two jobs are compared by. The names are those of the API."""

    compare_attributes: bool = True
    iou_threshold: float = 0.4
    """The least similarity of a pair."""
    low_overlap_threshold: float = 0.8
    """A pair of less similarity gets a warning."""
    oks_sigma: float = 0.09
    point_size_base: str = "group_bbox_size"
    line_thickness: float = 0.01
    compare_line_orientation: bool = True
    line_orientation_threshold: float = 0.1
    compare_groups: bool = True
    group_match_threshold: float = 0.5
    check_covered_annotations: bool = True
    object_visibility_threshold: float = 0.05
    panoptic_comparison: bool = True
    empty_is_annotated: bool = False
    inherited: bool = False
    """Whether the settings are those of the project."""
    job_filter: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any], *, inherited: bool = False) -> Parameters:
        """Return the parameters in quality settings."""
        names = {field.name for field in fields(cls)}
        return cls(**{**{name: value for name, value in values.items() if name in names}, "inherited": inherited})

    @property
    def json(self) -> dict[str, Any]:
        """The parameters as a report shows them."""
        return {"included_annotation_types": list(TYPES), "ignored_attributes": [], **asdict(self)}
