"""Backups of tasks of CVAT 2.x: the images, the task and its annotations in a zip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.v2.skeletons import drawing

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Label, Shape, Snapshot


def write(snapshot: Snapshot, out: BinaryIO) -> None:
    """Write the backup of a task. The sandbox cannot restore one."""
    (task,) = snapshot.tasks
    top = [label for label in snapshot.labels if label.parent_id is None]
    about = {
        "name": task.name, "bug_tracker": task.bug_tracker, "status": "annotation", "subset": task.subset,
        "labels": [_label(snapshot, label) for label in top],
        "data": {"start_frame": task.start_frame, "stop_frame": task.stop_frame, "frame_filter": task.frame_filter},
        "jobs": [{"start_frame": segment.start, "stop_frame": segment.stop} for segment in task.segments],
    }  # fmt: skip
    annotations = {kind: [_named(snapshot, item) for item in task.annotations[kind]]
                   for kind in ("tags", "shapes", "tracks")}  # fmt: skip
    files = [(f"data/{frame.name}", frame.file) for frame in task.frames.values()]
    write_zip(out, {"task.json": json.dumps(about), "annotations.json": json.dumps([annotations])}, files)


def _label(snapshot: Snapshot, label: Label) -> dict[str, Any]:
    attributes = [{name: value for name, value in spec._asdict().items() if name != "id"} for spec in label.attributes]
    found: dict[str, Any] = {"name": label.name, "color": label.color, "type": label.type, "attributes": attributes}
    children = [child for child in snapshot.labels if child.parent_id == label.id]
    if label.type == "skeleton":
        found |= {"svg": drawing(label, children), "sublabels": [_label(snapshot, child) for child in children]}
    return found


def _named(snapshot: Snapshot, item: Shape) -> Shape:
    """Return an annotation with the names of its label and attributes instead of their ids."""
    found = {name: value for name, value in item.items() if name not in {"id", "label_id", "attributes"}}
    if "label_id" in item:
        found["label"] = snapshot.label_by_id[item["label_id"]].name
    specs = snapshot.attribute_by_id
    found["attributes"] = [{"name": specs[a["spec_id"]].name, "value": a["value"]} for a in item["attributes"]]
    for parts in ("shapes", "elements"):
        if parts in item:
            found[parts] = [_named(snapshot, part) for part in item[parts]]
    return found
