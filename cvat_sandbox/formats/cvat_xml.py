"""CVAT's own XML, `CVAT for images 1.1` and `CVAT for video 1.1`, which keep every shape and attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.formats.archive import images as image_files
from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.xml_lines import attribute, date, element, opening
from cvat_sandbox.state.database import now
from cvat_sandbox.state.media import frame_step
from cvat_sandbox.state.tracks import interpolated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from cvat_sandbox.formats.snapshot import Snapshot

TAGS = {"rectangle": "box", "polygon": "polygon", "polyline": "polyline", "points": "points", "cuboid": "cuboid"}


def write_images(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an element for each image, with the shapes on it."""
    _write(snapshot, out, _images(snapshot), images=images)


def write_video(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an element for each track. A shape becomes a track of one frame."""
    _write(snapshot, out, _tracks(snapshot), images=images)


def _write(snapshot: Snapshot, out: BinaryIO, body: Iterator[str], *, images: bool) -> None:
    head = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    meta = element("meta", _meta(snapshot), 1)
    document = "\n".join([*head, *meta, *body, "</annotations>", ""])
    write_zip(out, {"annotations.xml": document}, image_files(snapshot, "images/") if images else ())


def _meta(snapshot: Snapshot) -> list[tuple[str, Any]]:
    task, data = snapshot.task, snapshot.data
    return [
        ("task", [
            ("id", task["id"]), ("name", task["name"]), ("size", data["size"]), ("mode", task["mode"]),
            ("overlap", task["overlap"]), ("bugtracker", task["bug_tracker"]), ("created", date(task["created_date"])),
            ("updated", date(task["updated_date"])), ("start_frame", data["start_frame"]),
            ("stop_frame", data["stop_frame"]), ("frame_filter", data["frame_filter"]),
            ("z_order", bool(task["z_order"])),
            ("labels", [("label", _label(label)) for label in snapshot.labels]),
            ("segments", [("segment", _segment(segment, snapshot.host)) for segment in snapshot.segments]),
            ("owner", _person(snapshot.people["owner"])), ("assignee", _person(snapshot.people["assignee"])),
        ]),
        ("dumped", date(now())),
    ]  # fmt: skip


def _label(label: dict[str, Any]) -> list[tuple[str, Any]]:
    attributes = [("attribute", [(name, spec[name]) for name in ("name", "mutable", "input_type", "default_value")]
             + [("values", "\n".join(spec["values"]))]) for spec in label["attributes"]]  # fmt: skip
    return [("name", label["name"]), ("attributes", attributes)]


def _segment(row: sqlite3.Row, host: str) -> list[tuple[str, Any]]:
    return [("id", row["id"]), ("start", row["start_frame"]), ("stop", row["stop_frame"]),
            ("url", f"{host}/?id={row['job_id']}")]  # fmt: skip


def _person(row: sqlite3.Row | None) -> Any:
    return [("username", row["username"]), ("email", row["email"])] if row else ""


def _values(snapshot: Snapshot, item: dict[str, Any], depth: int) -> list[str]:
    specs = snapshot.attributes
    return [attribute(specs[a["spec_id"]]["name"], a["value"], depth) for a in item["attributes"]]


def _drawn(snapshot: Snapshot, shape: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes with the coordinates of a shape, and its z_order if the task has one."""
    points = shape["points"]
    if shape["type"] == "rectangle":
        found: dict[str, Any] = {
            name: f"{value:.2f}" for name, value in zip(("xtl", "ytl", "xbr", "ybr"), points, strict=False)
        }
    else:
        pairs = zip(points[::2], points[1::2], strict=False)
        found = {"points": ";".join(f"{x:.2f},{y:.2f}" for x, y in pairs)}
    return {**found, "z_order": shape["z_order"]} if snapshot.task["z_order"] else found


def _group(item: dict[str, Any]) -> dict[str, Any]:
    return {"group_id": item["group"]} if item["group"] else {}


def _images(snapshot: Snapshot) -> Iterator[str]:
    names = snapshot.label_names
    for number, frame, shapes in snapshot.by_frame():
        about = {"id": frame.id, "name": frame.name, "width": frame.width, "height": frame.height}
        yield opening("image", about, 1)
        for shape in shapes:
            tag = TAGS[shape["type"]]
            head = {"label": names[shape["label_id"]], "occluded": int(shape["occluded"])}
            yield opening(tag, {**head, **_drawn(snapshot, shape), **_group(shape)}, 2)
            yield from _values(snapshot, shape, 3)
            yield f"    </{tag}>"
        for tag in snapshot.annotations["tags"]:
            if tag["frame"] == number:
                yield opening("tag", {"label": names[tag["label_id"]], **_group(tag)}, 2)
                yield from _values(snapshot, tag, 3)
                yield "    </tag>"
        yield "  </image>"


def _tracks(snapshot: Snapshot) -> Iterator[str]:
    size, names, data = snapshot.data["size"], snapshot.label_names, snapshot.data
    start, step = data["start_frame"], frame_step(data["frame_filter"])
    found = []
    for track in snapshot.annotations["tracks"]:
        shapes = interpolated(track, size)
        found.append((track, [{**one, "attributes": one["attributes"] + track["attributes"]} for one in shapes]))
    for shape in snapshot.annotations["shapes"]:
        first = {**shape, "outside": False, "keyframe": True}
        ends = start + (shape["frame"] + 1) * step < data["stop_frame"]
        found.append((shape, [first, {**first, "outside": True, "frame": shape["frame"] + 1}] if ends else [first]))
    for number, (track, shapes) in enumerate(found):
        yield opening("track", {"id": number, "label": names[track["label_id"]], **_group(track)}, 1)
        for shape in shapes:
            tag = TAGS[shape["type"]]
            # By number in the uploaded files, as the images of the other format.
            head = {"frame": start + shape["frame"] * step}
            head |= {name: int(shape[name]) for name in ("outside", "occluded", "keyframe")}
            yield opening(tag, {**head, **_drawn(snapshot, shape)}, 2)
            yield from _values(snapshot, shape, 3)
            yield f"    </{tag}>"
        yield "  </track>"
