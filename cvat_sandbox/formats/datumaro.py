"""Datumaro 1.0, without the source of Datumaro that the real export contains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.formats.archive import box, label_numbers, write_zip
from cvat_sandbox.formats.archive import images as image_files

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Snapshot


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write the annotations and the sources of a Datumaro project."""
    task_id, numbers = snapshot.task["id"], label_numbers(snapshot)
    tags: dict[int, list[dict[str, Any]]] = {}
    for tag in snapshot.annotations["tags"]:
        tags.setdefault(tag["frame"], []).append(tag)
    items, listed = [], []
    for number, frame, shapes in snapshot.by_frame():
        found = [_annotation(snapshot, shape, numbers) for shape in [*shapes, *tags.get(number, [])]]
        items.append({"id": str(frame.id), "annotations": found,
                      "image": {"size": [frame.height, frame.width], "path": frame.name}})  # fmt: skip
        listed.append({"id": frame.id, "name": frame.name, "width": frame.width, "height": frame.height})
    labels = [{"name": name, "parent": ""} for name in snapshot.label_names.values()]
    source = f"sources/task_{task_id}_images"
    write_zip(out, {
        "README.md": "A project for Datumaro, made by the CVAT sandbox without the source of Datumaro.\n",
        ".datumaro/config.yaml": "project_name: sandbox\n",
        ".datumaro/plugins/cvat_rest_api_task_images.py": '"""The sandbox does not pack the plugin."""\n',
        f"{source}/images_meta.json": json.dumps({"images": listed}),
        f"{source}/config.json": json.dumps({"server_url": snapshot.host, "task_id": task_id}),
        "dataset/annotations/default.json": json.dumps(
            {"info": {}, "categories": {"label": {"labels": labels}}, "items": items}),
    }, image_files(snapshot, "dataset/images/") if images else ())  # fmt: skip


def _annotation(snapshot: Snapshot, shape: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    attributes = {snapshot.attributes[a["spec_id"]]["name"]: a["value"] for a in shape["attributes"]}
    common = {
        "id": None, "attributes": attributes, "group": shape["group"] or 0, "label_id": numbers[shape["label_id"]],
    }  # fmt: skip
    if "type" not in shape:
        return {**common, "type": "label"}
    attributes = {name: value for name, value in attributes.items() if value != ""}
    attributes["occluded"] = shape["occluded"]
    if "track_id" in shape:
        attributes |= {"track_id": shape["track_id"], "keyframe": shape["keyframe"]}
    common |= {"attributes": attributes, "z_order": shape["z_order"]}
    if shape["type"] == "rectangle":
        return {**common, "type": "bbox", "bbox": list(box(shape))}
    visibility = {"visibility": [2] * (len(shape["points"]) // 2)} if shape["type"] == "points" else {}
    return {**common, "type": shape["type"], "points": shape["points"], **visibility}
