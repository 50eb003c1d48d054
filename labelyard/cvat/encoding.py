"""Values encoded as CVAT's JSON and form fields, for every dialect."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, Label
from labelyard.domain.tasks import DataSpec, GroundTruth, UploadFile


def normalize_name(name: str) -> str:
    """Return a task's name as the server will store it: trimmed by the server, in Unicode form NFC by us."""
    return unicodedata.normalize("NFC", name).strip()


SKELETON_FIELDS = ("type", "sublabels", "svg")
"""The fields of a skeleton's label that are sent at its creation only."""


def encode_label(value: Label, *, color: bool, types: bool) -> dict[str, Any]:
    """A label without ids: the ids of another task's labels cause a 500."""
    body: dict[str, Any] = {"name": value.name, "attributes": [_attribute_spec(spec) for spec in value.attributes]}
    if color and value.color:
        body["color"] = value.color
    if types:
        body["type"] = value.type
    if value.sublabels:
        sublabels = [encode_label(one, color=color, types=types) | {"type": "points"} for one in value.sublabels]
        body |= {"type": "skeleton", "sublabels": sublabels, "svg": _drawing(value)}
    return body


def _drawing(skeleton: Label) -> str:
    """The drawing from which CVAT's editor takes the points of a skeleton and its lines [2.73 0599].

    The points stand on a circle, from the top clockwise, in a square of 100 x 100.
    """
    share = 2 * math.pi / len(skeleton.sublabels)
    positions = [
        (round(50 + 35 * math.sin(share * n), 2), round(50 - 35 * math.cos(share * n), 2))
        for n in range(len(skeleton.sublabels))
    ]
    lines = [
        f'<line x1="{positions[start][0]}" y1="{positions[start][1]}" '
        f'x2="{positions[end][0]}" y2="{positions[end][1]}" data-type="edge" '
        f'data-node-from="{start + 1}" data-node-to="{end + 1}"></line>'
        for start, end in skeleton.edges
    ]
    circles = [
        f'<circle r="1.5" cx="{x}" cy="{y}" data-type="element node" data-element-id="{number}" '
        f'data-node-id="{number}" data-label-name="{html.escape(point.name)}"></circle>'
        for number, (point, (x, y)) in enumerate(zip(skeleton.sublabels, positions, strict=True), 1)
    ]
    return "".join((*lines, *circles))


def _attribute_spec(value: AttributeSpec) -> dict[str, Any]:
    return {
        "name": value.name,
        "mutable": value.mutable,
        "input_type": str(value.input_type),
        "default_value": value.default,
        "values": list(value.values),
    }


def encode_data_spec(data: DataSpec) -> dict[str, Any]:
    """The settings of an upload that are set; the server chooses the others."""
    settings = {
        "image_quality": data.image_quality,
        "chunk_size": data.chunk_size,
        "start_frame": data.start_frame,
        "stop_frame": data.stop_frame,
        "frame_filter": data.frame_filter,
        "use_zip_chunks": data.use_zip_chunks,
    }
    return {name: value for name, value in settings.items() if value is not None} | _ground_truth(data.ground_truth)


def _ground_truth(value: GroundTruth | None) -> dict[str, Any]:
    """The fields of ground truth and honeypots, which CVAT 2.x takes in JSON alone [2.73 1219, 1226]."""
    if value is None:
        return {}
    params: dict[str, Any] = {"mode": "gt", "frame_selection_method": "manual", "frames": list(value.frames)}
    if not value.honeypots:
        return {"validation_params": params}
    params |= {"mode": "gt_pool", "frames_per_job_count": value.honeypots, "random_seed": value.seed}
    return {"validation_params": params, "sorting_method": "random"}


def form_fields(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Settings as form fields: booleans in lower case, as in JSON."""
    return [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in fields.items()]


def file_fields(files: Sequence[UploadFile]) -> list[tuple[str, UploadFile]]:
    """The files under the only field names that CVAT reads: it ignores others, and responds 202 all the same."""
    return [(f"client_files[{number}]", file) for number, file in enumerate(files)]


# --- annotations ------------------------------------------------------------------------------------------------------


def encode_annotations(annotations: Annotations, *, ids: bool, source: bool) -> dict[str, Any]:
    """Return annotations as CVAT's JSON, with every key that it requires.

    With `ids`, each keeps the id by which the server knows it, which changing and deleting need. With `source`, each
    says whether a person made it (CVAT 1.1 and later).
    """
    return {
        "version": annotations.version,
        "shapes": [_shape(shape, ids=ids, source=source) for shape in annotations.shapes],
        "tracks": [_track(track, ids=ids, source=source) for track in annotations.tracks],
        "tags": [_tag(tag, ids=ids, source=source) for tag in annotations.tags],
    }


def _attribute_values(values: Sequence[AttributeValue]) -> list[dict[str, Any]]:
    return [{"spec_id": value.spec_id, "value": value.value} for value in values]


def _common_fields(item: Shape | Track | Tag, *, ids: bool, source: bool) -> dict[str, Any]:
    """The fields that shapes, tracks and tags share."""
    body: dict[str, Any] = {
        "frame": item.frame,
        "label_id": item.label_id,
        "group": item.group,
        "attributes": _attribute_values(item.attributes),
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
    body = _outline(shape) | _common_fields(shape, ids=ids, source=source)
    if shape.score is not None:
        body["score"] = shape.score
    if shape.outside:
        body["outside"] = True
    if shape.elements:
        body["elements"] = [_shape(element, ids=ids, source=source) for element in shape.elements]
    return body


def _track(track: Track, *, ids: bool, source: bool) -> dict[str, Any]:
    body = _common_fields(track, ids=ids, source=source)
    body["shapes"] = [_tracked_shape(shape, ids=ids) for shape in track.shapes]
    if track.elements:
        body["elements"] = [_track(element, ids=ids, source=source) for element in track.elements]
    return body


def _tracked_shape(shape: TrackedShape, *, ids: bool) -> dict[str, Any]:
    body = _outline(shape) | {
        "frame": shape.frame,
        "outside": shape.outside,
        "attributes": _attribute_values(shape.attributes),
    }
    return body | {"id": shape.id} if ids and shape.id else body


def _tag(tag: Tag, *, ids: bool, source: bool) -> dict[str, Any]:
    return _common_fields(tag, ids=ids, source=source)
