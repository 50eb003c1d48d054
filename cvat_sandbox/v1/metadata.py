"""The fields of a task as OPTIONS describes them."""

from __future__ import annotations

from typing import Any

from cvat_sandbox.state.database import LARGEST_ID


def _field(kind: str, label: str, *, required: bool = False, read_only: bool = False, **more: Any) -> dict[str, Any]:
    described = {"type": kind, "required": required, "read_only": read_only}
    return {**described, **({"label": label} if label else {}), **more}


def _read_only(kind: str, label: str) -> dict[str, Any]:
    return _field(kind, label, read_only=True)


def _list(label: str, children: dict[str, Any], *, required: bool = False, read_only: bool = False) -> dict[str, Any]:
    child = _field("nested object", "", required=required, read_only=read_only, children=children)
    return _field("field", label, required=required, read_only=read_only, child=child)


def _choices(*words: str) -> list[dict[str, str]]:
    return [{"value": word, "display_name": word.upper()} for word in words]


def _number(label: str) -> dict[str, Any]:
    return _field("integer", label, required=True, min_value=-LARGEST_ID - 1, max_value=LARGEST_ID)


_ATTRIBUTE = {
    "id": _read_only("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=64),
    "mutable": _field("boolean", "Mutable", required=True),
    "input_type": _field("choice", "Input type", required=True,
                         choices=_choices("checkbox", "radio", "number", "text", "select")),
    "default_value": _field("string", "Default value", required=True, max_length=128),
    "values": _field("string", "Values", required=True, max_length=4096),
}  # fmt: skip
_LABEL = {
    "id": _read_only("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=64),
    "attributes": _list("Attributes", _ATTRIBUTE),
}
_JOB = {
    "url": _read_only("field", "Url"),
    "id": _read_only("integer", "ID"),
    "assignee": _field("field", "Assignee"),
    "status": _field("choice", "Status", choices=_choices("annotation", "validation", "completed")),
}
_SEGMENT = {"start_frame": _number("Start frame"), "stop_frame": _number("Stop frame"),
            "jobs": _list("Jobs", _JOB, required=True)}  # fmt: skip

TASK_FIELDS = {
    "url": _read_only("field", "Url"),
    "id": _read_only("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=256),
    "mode": _read_only("string", "Mode"),
    "owner": _field("field", "Owner"),
    "assignee": _field("field", "Assignee"),
    "bug_tracker": _field("string", "Bug tracker", max_length=2000),
    "created_date": _read_only("datetime", "Created date"),
    "updated_date": _read_only("datetime", "Updated date"),
    "overlap": _field("integer", "Overlap", min_value=0, max_value=LARGEST_ID),
    "segment_size": _field("integer", "Segment size", min_value=0, max_value=LARGEST_ID),
    "z_order": _field("boolean", "Z order"),
    "status": _read_only("choice", "Status"),
    "labels": _list("Labels", _LABEL, required=True),
    "segments": _list("Segments", _SEGMENT, read_only=True),
    "project": _field("field", "Project"),
    "data_chunk_size": _read_only("field", "Data chunk size"),
    "data_compressed_chunk_type": _read_only("field", "Data compressed chunk type"),
    "data_original_chunk_type": _read_only("field", "Data original chunk type"),
    "size": _read_only("field", "Size"),
    "image_quality": _read_only("field", "Image quality"),
    "data": _read_only("field", "Data"),
}
