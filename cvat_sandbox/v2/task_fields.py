"""What OPTIONS says about the fields of a new task, in the form of the REST framework's metadata."""

from __future__ import annotations

from typing import Any

from cvat_sandbox.state import label_sets
from cvat_sandbox.state.database import LARGEST_ID

_COLOR = "The hex value for the RGB color. Will be generated automatically, unless specified explicitly."
_ATTRIBUTES = (
    "The list of attributes. To remove an attribute, pass the full attribute body with deleted=true. "
    "Related annotation attribute values will be deleted."
)
_SIZE: dict[str, Any] = {"min_value": 0, "max_value": LARGEST_ID}


def _field(
    kind: str, label: str = "", *, required: bool = False, read_only: bool = False, **more: Any
) -> dict[str, Any]:
    shown = {"type": kind, "required": required, "read_only": read_only, **({"label": label} if label else {})}
    return {**shown, **more}


def _choices(*names: str) -> list[dict[str, str]]:
    return [{"value": name, "display_name": name.upper()} for name in names]


def _type() -> dict[str, Any]:
    help_text = "Associated annotation type for this label"
    return _field("choice", "Type", help_text=help_text, choices=_choices(*label_sets.TYPES))


def _attribute() -> dict[str, Any]:
    return {
        "id": _field("integer", "Id"), "name": _field("string", "Name", required=True, max_length=64),
        "mutable": _field("boolean", "Mutable", required=True),
        "input_type": _field("choice", "Input type", required=True, choices=_choices(*label_sets.INPUT_TYPES)),
        "default_value": _field("string", "Default value", max_length=128),
        "values": _field("list", "Values", required=True, child=_field("string", required=True, max_length=200)),
        "deleted": _field("boolean", "Deleted", help_text="Delete the attribute and all related annotation values."),
    }  # fmt: skip


def _sublabel() -> dict[str, Any]:
    attribute = _field("nested object", help_text=_ATTRIBUTES, children=_attribute())
    return {
        "id": _field("integer", "Id"), "name": _field("string", "Name", required=True, max_length=64),
        "color": _field("string", "Color", help_text=_COLOR),
        "attributes": _field("field", "Attributes", help_text=_ATTRIBUTES, child=attribute),
    }  # fmt: skip


def _label() -> dict[str, Any]:
    help_text = "Delete the label. Only applicable in the PATCH methods of a project or a task."
    child = {**_sublabel(), "type": _type(), "has_parent": _field("boolean", "Has parent")}
    read_only = {f"{name}_id": _field("field", f"{name.capitalize()} id", read_only=True)
                 for name in ("project", "task", "parent")}  # fmt: skip
    return {
        **_sublabel(), "deleted": _field("boolean", "Deleted", help_text=help_text), "type": _type(),
        "svg": _field("string", "Svg"),
        "sublabels": _field("field", "Sublabels", child=_field("nested object", children=child)), **read_only,
        "has_parent": _field("boolean", "Has parent", read_only=True),
    }  # fmt: skip


def _storage(label: str) -> dict[str, Any]:
    children = {
        "id": _field("integer", "ID", read_only=True),
        "location": _field("choice", "Location", choices=_choices("cloud_storage", "local")),
        "cloud_storage_id": _field("integer", "Cloud storage id"),
    }  # fmt: skip
    return _field("nested object", label, children=children)


_REPLICAS = "The number of consensus replica jobs for each annotation job.\nConfigured at task creation\n"
TASK_FIELDS: dict[str, Any] = {
    "url": _field("field", "Url", read_only=True), "id": _field("integer", "ID", read_only=True),
    "name": _field("string", "Name", required=True, max_length=256), "project_id": _field("integer", "Project id"),
    "owner_id": _field("integer", "Owner id"), "assignee_id": _field("integer", "Assignee id"),
    "bug_tracker": _field("string", "Bug tracker", max_length=2000),
    "overlap": _field("integer", "Overlap", **_SIZE), "segment_size": _field("integer", "Segment size", **_SIZE),
    "labels": _field("field", "Labels", child=_field("nested object", children=_label())),
    "subset": _field("string", "Subset", max_length=64), "target_storage": _storage("Target storage"),
    "source_storage": _storage("Source storage"),
    "consensus_replicas": _field("integer", "Consensus replicas", help_text=_REPLICAS, min_value=0),
    "organization_id": _field("integer", "Organization id"),
}  # fmt: skip
"""The fields by name."""
