"""The bodies that choose validation frames: of ground truth jobs, new tasks and honeypots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import CharField, ChoiceField, Field, FloatField, IntegerField, ListField, Serializer
from cvat_sandbox.state import jobs
from cvat_sandbox.state.validation import METHODS, MODES

MAX_REPLICAS = 11
PER_JOB = ("frames_per_job_count", "frames_per_job_share")
UNIFORM = ("frame_count", "frame_share")


def require_one(values: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise ValidationError unless exactly one of several fields was sent."""
    sent, options = sum(name in values for name in names), ", ".join(f'"{name}"' for name in names)
    if not sent:
        raise ValidationError({"non_field_errors": [f"One of the fields {options} required"]})
    if sent > 1:
        raise ValidationError({"non_field_errors": [f"Only 1 of the fields {options} can be used"]})


def require(values: Mapping[str, Any], name: str) -> None:
    """Raise ValidationError unless a field was sent."""
    if name not in values:
        raise ValidationError({"non_field_errors": [f'The "{name}" field is required']})


def check_method(values: Mapping[str, Any], frames: str = "frames") -> None:
    """Raise ValidationError for fields that do not belong to the method of selection. frames: the one of `manual`."""
    method = values.get("frame_selection_method")
    if method == "random_uniform" and frames == "frames":
        require_one(values, UNIFORM)
    elif method == "random_per_job" and frames == "frames":
        require_one(values, PER_JOB)
    elif method == "random_per_job":
        raise Crash("AssertionError: honeypots are not chosen in this way")
    elif method == "manual":
        require(values, frames)
    if frames in values and method != "manual":
        text = f'"{frames}" can only be used when "frame_selection_method" is "manual"'
        raise ValidationError({"non_field_errors": [text]})


class ShareField(FloatField):
    """A part of all frames, from 0 to 1."""

    def to_internal_value(self, value: Any) -> float:
        """Return the share."""
        share = super().to_internal_value(value)
        if not 0 <= share <= 1:
            raise ValidationError("Value must be in the range [0; 1]")
        return share


def _selection(frames: Field) -> dict[str, Field]:
    return {
        "frames": frames, "frame_count": IntegerField(min_value=1, required=False),
        "frame_share": ShareField(required=False), "frames_per_job_count": IntegerField(min_value=1, required=False),
        "frames_per_job_share": ShareField(required=False), "random_seed": IntegerField(min_value=0, required=False),
    }  # fmt: skip


NUMBERS = ListField(IntegerField(min_value=0), required=False, allow_empty=False)
GROUND_TRUTH = Serializer({
    "assignee": IntegerField(required=False, allow_null=True), "type": ChoiceField(*jobs.TYPES),
    "task_id": IntegerField(), "frame_selection_method": ChoiceField(*METHODS, required=False), **_selection(NUMBERS),
})  # fmt: skip
"""A new job."""
JOB_LAYOUT = Serializer({"frame_selection_method": ChoiceField(*METHODS), "honeypot_real_frames": NUMBERS})
_ANY_NUMBERS = ListField(IntegerField(min_value=0), required=False)
TASK_LAYOUT = Serializer({
    "disabled_frames": _ANY_NUMBERS, "frame_selection_method": ChoiceField(*METHODS, required=False),
    "honeypot_real_frames": _ANY_NUMBERS,
})  # fmt: skip
_PARAMS = Serializer({
    "mode": ChoiceField(*MODES), "frame_selection_method": ChoiceField(*METHODS),
    **_selection(ListField(CharField(max_length=1024), required=False)),
})  # fmt: skip


class ValidationParamsField(Field):
    """How validation frames are chosen when a task is created."""

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True)

    def to_internal_value(self, value: Any) -> dict[str, Any]:
        """Return the values."""
        params = _PARAMS.run_validation(value)
        if params["mode"] == "gt_pool":
            if params["frame_selection_method"] not in {"manual", "random_uniform"}:
                text = 'The "frame_selection_method" field must be one of manual, random_uniform'
                raise ValidationError({"non_field_errors": [text]})
            require_one(params, PER_JOB)
        check_method(params)
        if len(set(params.get("frames", []))) != len(params.get("frames", [])):
            raise ValidationError({"non_field_errors": ["Frames must not repeat"]})
        return params


class ConsensusReplicasField(IntegerField):
    """The number of replicas of each job: none, or at least two."""

    def __init__(self) -> None:
        super().__init__(required=False)

    def to_internal_value(self, value: Any) -> int:
        """Return the number."""
        replicas = super().to_internal_value(value)
        if replicas == 1 or not 0 <= replicas <= MAX_REPLICAS:
            raise ValidationError(f"Consensus replicas must be 0 or a positive number more than 1 and less than "
                                  f"{MAX_REPLICAS + 1}, got {replicas}")  # fmt: skip
        return replicas
