"""What OPTIONS tells of the fields of a task."""

from __future__ import annotations

from typing import Any

LARGEST = 2**31 - 1


def _field(kind: str, label: str, *, required: bool = False, read_only: bool = False, **more: Any) -> dict[str, Any]:
    described = {"type": kind, "required": required, "read_only": read_only}
    return {**described, **({"label": label} if label else {}), **more}


def _shown(kind: str, label: str) -> dict[str, Any]:
    return _field(kind, label, read_only=True)


def _list(label: str, children: dict[str, Any], *, required: bool = False, read_only: bool = False) -> dict[str, Any]:
    child = _field("nested object", "", required=required, read_only=read_only, children=children)
    return _field("field", label, required=required, read_only=read_only, child=child)


def _choices(*words: str) -> list[dict[str, str]]:
    return [{"value": word, "display_name": word.upper()} for word in words]


def _number(label: str) -> dict[str, Any]:
    return _field("integer", label, required=True, min_value=-LARGEST - 1, max_value=LARGEST)


_ATTRIBUTE = {
    "id": _shown("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=64),
    "mutable": _field("boolean", "Mutable", required=True),
    "input_type": _field("choice", "Input type", required=True,
                         choices=_choices("checkbox", "radio", "number", "text", "select")),
    "default_value": _field("string", "Default value", required=True, max_length=128),
    "values": _field("string", "Values", required=True, max_length=4096),
}  # fmt: skip
_LABEL = {
    "id": _shown("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=64),
    "attributes": _list("Attributes", _ATTRIBUTE),
}
_JOB = {
    "url": _shown("field", "Url"),
    "id": _shown("integer", "ID"),
    "assignee": _field("field", "Assignee"),
    "status": _field("choice", "Status", choices=_choices("annotation", "validation", "completed")),
}
_SEGMENT = {"start_frame": _number("Start frame"), "stop_frame": _number("Stop frame"),
            "jobs": _list("Jobs", _JOB, required=True)}  # fmt: skip

TASK_FIELDS = {
    "url": _shown("field", "Url"),
    "id": _shown("integer", "ID"),
    "name": _field("string", "Name", required=True, max_length=256),
    "mode": _shown("string", "Mode"),
    "owner": _field("field", "Owner"),
    "assignee": _field("field", "Assignee"),
    "bug_tracker": _field("string", "Bug tracker", max_length=2000),
    "created_date": _shown("datetime", "Created date"),
    "updated_date": _shown("datetime", "Updated date"),
    "overlap": _field("integer", "Overlap", min_value=0, max_value=LARGEST),
    "segment_size": _field("integer", "Segment size", min_value=0, max_value=LARGEST),
    "z_order": _field("boolean", "Z order"),
    "status": _shown("choice", "Status"),
    "labels": _list("Labels", _LABEL, required=True),
    "segments": _list("Segments", _SEGMENT, read_only=True),
    "project": _field("field", "Project"),
    "data_chunk_size": _shown("field", "Data chunk size"),
    "data_compressed_chunk_type": _shown("field", "Data compressed chunk type"),
    "data_original_chunk_type": _shown("field", "Data original chunk type"),
    "size": _shown("field", "Size"),
    "image_quality": _shown("field", "Image quality"),
    "data": _shown("field", "Data"),
}
