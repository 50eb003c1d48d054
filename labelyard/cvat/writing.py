"""Values as CVAT's JSON, for every dialect."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, Label
from labelyard.domain.tasks import DataSpec, UploadFile


def task_name(name: str) -> str:
    """A name as the server will keep it: it trims blanks, and does not bring Unicode into one form; we do."""
    return unicodedata.normalize("NFC", name).strip()


def write_label(value: Label, *, color: bool) -> dict[str, Any]:
    """A label without ids: a server that is sent the ids of another task's labels answers 500."""
    body: dict[str, Any] = {"name": value.name, "attributes": [_attribute_spec(spec) for spec in value.attributes]}
    if color and value.color:
        body["color"] = value.color
    return body


def _attribute_spec(value: AttributeSpec) -> dict[str, Any]:
    return {
        "name": value.name,
        "mutable": value.mutable,
        "input_type": str(value.input_type),
        "default_value": value.default,
        "values": list(value.values),
    }


def data_fields(data: DataSpec) -> dict[str, Any]:
    """The settings of an upload that were chosen; the others are the server's business."""
    chosen = {
        "image_quality": data.image_quality,
        "chunk_size": data.chunk_size,
        "start_frame": data.start_frame,
        "stop_frame": data.stop_frame,
        "frame_filter": data.frame_filter,
        "use_zip_chunks": data.use_zip_chunks,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def form_fields(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """The same as form fields: true and false in lower case, as JSON has them."""
    return [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in fields.items()]


def file_fields(files: Sequence[UploadFile]) -> list[tuple[str, UploadFile]]:
    """The files under the only field names that CVAT takes: others are ignored, and the answer is 202 all the same."""
    return [(f"client_files[{number}]", file) for number, file in enumerate(files)]


# --- annotations ------------------------------------------------------------------------------------------------------


def write_annotations(value: Annotations, *, ids: bool, source: bool) -> dict[str, Any]:
    """Annotations with every key that the server wants; `ids` only where existing ones are meant."""
    return {
        "version": value.version,
        "shapes": [_shape(shape, ids=ids, source=source) for shape in value.shapes],
        "tracks": [_track(track, ids=ids, source=source) for track in value.tracks],
        "tags": [_tag(tag, ids=ids, source=source) for tag in value.tags],
    }


def _values(values: Sequence[AttributeValue]) -> list[dict[str, Any]]:
    return [{"spec_id": value.spec_id, "value": value.value} for value in values]


def _named(item: Shape | Track | Tag, *, ids: bool, source: bool) -> dict[str, Any]:
    """What shapes, tracks and tags have in common."""
    body: dict[str, Any] = {
        "frame": item.frame,
        "label_id": item.label_id,
        "group": item.group,
        "attributes": _values(item.attributes),
    }
    if ids and item.id:
        body["id"] = item.id
    if source and item.source:
        body["source"] = item.source
    return body


def _outline(shape: Shape | TrackedShape) -> dict[str, Any]:
    body = {
        "type": str(shape.type),
        "occluded": shape.occluded,
        "z_order": shape.z_order,
        "points": list(shape.points),
    }
    return body | {"rotation": shape.rotation} if shape.rotation else body


def _shape(shape: Shape, *, ids: bool, source: bool) -> dict[str, Any]:
    return _outline(shape) | _named(shape, ids=ids, source=source)


def _track(track: Track, *, ids: bool, source: bool) -> dict[str, Any]:
    return _named(track, ids=ids, source=source) | {"shapes": [_tracked(shape, ids=ids) for shape in track.shapes]}


def _tracked(shape: TrackedShape, *, ids: bool) -> dict[str, Any]:
    body = _outline(shape) | {
        "frame": shape.frame,
        "outside": shape.outside,
        "attributes": _values(shape.attributes),
    }
    return body | {"id": shape.id} if ids and shape.id else body


def _tag(tag: Tag, *, ids: bool, source: bool) -> dict[str, Any]:
    return _named(tag, ids=ids, source=source)
