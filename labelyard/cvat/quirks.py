"""What differs between servers only by a name or a switch."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.domain.annotations import Interpolation


@dataclass(frozen=True)
class Quirks:
    """Differences between servers that are only a name or a switch; the defaults are CVAT 1.0.0's."""

    task_assignee_field: str = "assignee"
    """The field of a task that takes a user's id; responses hold the id or an object with it."""
    job_assignee_field: str = "assignee"
    """The same field of a job."""
    task_z_order: bool = True
    """Whether tasks have `z_order`."""
    annotation_source: bool = False
    """Whether annotations have `source` (manual, auto)."""
    shape_score: bool = False
    """Whether shapes have `score`; an older 2.x ignores it."""
    label_color: bool = False
    """Whether labels have `color`."""
    label_types: bool = False
    """Whether a label can have a type, skeleton being one."""
    boxes_lead_groups: bool = False
    """Whether an export gives grouped shapes the bbox of the rectangles among them, and not that of all."""
    export_can_be_stale: bool = True
    """Whether an export may miss what was saved while it was written, until the next write."""
    organizations: bool = False
    """Whether the server has organizations."""
    issues: bool = False
    """Whether the server has issues, which people write about places of frames."""
    interpolation: Interpolation = Interpolation.V1
    """How exports expand tracks."""
    anonymous_hourly: int | None = None
    """Requests per hour that are allowed without a token, logins included; None means no limit."""
