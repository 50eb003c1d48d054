"""The simple ones of the other formats: YOLO, MOT, PASCAL VOC and Datumaro. They hold what the recordings show."""

from __future__ import annotations

import json
import posixpath
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from cvat_sandbox.snapshot import Frame, Snapshot


def _stem(frame: Frame) -> str:
    return posixpath.splitext(frame.name)[0]


def _places(snapshot: Snapshot) -> dict[int, int]:
    return {key: place for place, key in enumerate(snapshot.label_names)}


def _box(shape: dict[str, Any]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = shape["points"]
    return x0, y0, x1 - x0, y1 - y0


def _boxes(shapes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [shape for shape in shapes if shape["type"] == "rectangle"]


def _write(snapshot: Snapshot, out: BinaryIO, members: dict[str, str], folder: str = "") -> None:
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        if folder:
            for frame in snapshot.frames.values():
                archive.write(frame.file, folder + frame.name)


def write_yolo(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """A text file for each image: label, middle and size as parts of the image."""
    places, names = _places(snapshot), snapshot.label_names.values()
    data = f"classes = {len(places)}\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    members = {"train.txt": "", "obj.data": data, "obj.names": "\n".join(names) + "\n"}
    for _, frame, shapes in snapshot.by_frame():
        members["train.txt"] += f"data/obj_train_data/{frame.name}\n"
        lines = []
        for shape in _boxes(shapes):
            x, y, width, height = _box(shape)
            parts = (
                (x + width / 2) / frame.width,
                (y + height / 2) / frame.height,
                width / frame.width,
                height / frame.height,
            )
            lines.append(f"{places[shape['label_id']]} " + " ".join(f"{part:.6f}" for part in parts) + "\n")
        members[f"obj_train_data/{_stem(frame)}.txt"] = "".join(lines)
    _write(snapshot, out, members, "obj_train_data/" if images else "")


def write_mot(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """One row for each box: frame and track from 1, box, label from 1, 0 for occluded."""
    places, rows = _places(snapshot), []
    for number, _, shapes in snapshot.by_frame():
        for shape in _boxes(shapes):
            track = shape["track_id"] + 1 if "track_id" in shape else -1
            box = ",".join(str(float(value)) for value in _box(shape))
            rows.append(
                f"{number + 1},{track},{box},1,{places[shape['label_id']] + 1},{float(not shape['occluded'])}\r\n"
            )
    members = {"gt/gt.txt": "".join(rows), "gt/labels.txt": "\n".join(snapshot.label_names.values())}
    _write(snapshot, out, members, "img1/" if images else "")


def write_voc(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """An XML file for each image with boxes, and the lists of images."""
    labels = ["background", *snapshot.label_names.values()]
    tagged: dict[int, set[str]] = {}
    for mark in snapshot.annotations["tags"]:
        tagged.setdefault(mark["frame"], set()).add(snapshot.label_names[mark["label_id"]])
    members = {"labelmap.txt": "# label:color_rgb:parts:actions\n" + "".join(
        f"{name}:{','.join(map(str, _color(place)))}::\n" for place, name in enumerate(labels))}  # fmt: skip
    listed, drawn = [], []
    for number, frame, shapes in snapshot.by_frame():
        if _boxes(shapes):
            drawn.append(_stem(frame))
            members[f"Annotations/{_stem(frame)}.xml"] = _voc(snapshot, frame, _boxes(shapes))
        if _boxes(shapes) or number in tagged:
            listed.append(_stem(frame))
    members["ImageSets/Main/default.txt"] = "".join(f"{name}\n" for name in listed)
    for name in labels if tagged else []:
        members[f"ImageSets/Main/{name}_default.txt"] = "".join(
            f"{_stem(snapshot.frames[number])} {1 if name in names else -1:2d}\n"
            for number, names in sorted(tagged.items())
        )
    for kind in ("Action", "Layout"):
        members[f"ImageSets/{kind}/default.txt"] = "".join(f"{name}\n" for name in drawn)
    _write(snapshot, out, members, "JPEGImages/" if images else "")


def _color(place: int) -> tuple[int, int, int]:
    """The colour of a class in the usual palette: its bits, spread over the three channels."""
    color = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            color[channel] |= (place >> (3 * bit + channel) & 1) << (7 - bit)
    return color[0], color[1], color[2]


def _voc(snapshot: Snapshot, frame: Frame, boxes: list[dict[str, Any]]) -> str:
    stem = _stem(frame)
    lines = [
        "<annotation>", f"  <folder>{escape(stem.rsplit('_', 1)[0] if '_' in stem else '')}</folder>",
        f"  <filename>{escape(frame.name)}</filename>", "  <source>",
        *(f"    <{name}>Unknown</{name}>" for name in ("database", "annotation", "image")), "  </source>",
        "  <size>", f"    <width>{frame.width}</width>", f"    <height>{frame.height}</height>", "    <depth>3</depth>",
        "  </size>", "  <segmented>0</segmented>",
    ]  # fmt: skip
    for shape in boxes:
        corners = zip(("xmin", "ymin", "xmax", "ymax"), shape["points"], strict=True)
        lines += ["  <object>", f"    <name>{escape(snapshot.label_names[shape['label_id']])}</name>",
                  f"    <occluded>{int(shape['occluded'])}</occluded>", "    <bndbox>",
                  *(f"      <{name}>{value}</{name}>" for name, value in corners), "    </bndbox>",
                  "  </object>"]  # fmt: skip
    return "\n".join([*lines, "</annotation>", ""])


def write_datumaro(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """The annotations and sources of a Datumaro project; the real one also packs Datumaro itself."""
    task_id, places = snapshot.task["id"], _places(snapshot)
    tags: dict[int, list[dict[str, Any]]] = {}
    for mark in snapshot.annotations["tags"]:
        tags.setdefault(mark["frame"], []).append(mark)
    items, listed = [], []
    for number, frame, shapes in snapshot.by_frame():
        found = [_datumaro(snapshot, shape, places) for shape in [*shapes, *tags.get(number, [])]]
        items.append({"id": str(frame.id), "annotations": found,
                      "image": {"size": [frame.height, frame.width], "path": frame.name}})  # fmt: skip
        listed.append({"id": frame.id, "name": frame.name, "width": frame.width, "height": frame.height})
    labels = [{"name": name, "parent": ""} for name in snapshot.label_names.values()]
    source = f"sources/task_{task_id}_images"
    _write(snapshot, out, {
        "README.md": "A project for Datumaro, made by the labelyard sandbox without Datumaro's own source.\n",
        ".datumaro/config.yaml": "project_name: sandbox\n",
        ".datumaro/plugins/cvat_rest_api_task_images.py": '"""The sandbox does not pack the plugin."""\n',
        f"{source}/images_meta.json": json.dumps({"images": listed}),
        f"{source}/config.json": json.dumps({"server_url": snapshot.host, "task_id": task_id}),
        "dataset/annotations/default.json": json.dumps(
            {"info": {}, "categories": {"label": {"labels": labels}}, "items": items}),
    }, "dataset/images/" if images else "")  # fmt: skip


def _datumaro(snapshot: Snapshot, shape: dict[str, Any], places: dict[int, int]) -> dict[str, Any]:
    attributes = {snapshot.attributes[a["spec_id"]]["name"]: a["value"] for a in shape["attributes"]}
    common = {"id": None, "attributes": attributes, "group": shape["group"] or 0, "label_id": places[shape["label_id"]]}
    if "type" not in shape:
        return {**common, "type": "label"}
    attributes = {name: value for name, value in attributes.items() if value != ""}
    attributes["occluded"] = shape["occluded"]
    if "track_id" in shape:
        attributes |= {"track_id": shape["track_id"], "keyframe": shape["keyframe"]}
    common |= {"attributes": attributes, "z_order": shape["z_order"]}
    if shape["type"] == "rectangle":
        return {**common, "type": "bbox", "bbox": list(_box(shape))}
    visibility = {"visibility": [2] * (len(shape["points"]) // 2)} if shape["type"] == "points" else {}
    return {**common, "type": shape["type"], "points": shape["points"], **visibility}
