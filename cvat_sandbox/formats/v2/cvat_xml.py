"""CVAT's own XML of 2.x, `CVAT for images 1.1` and `CVAT for video 1.1`, writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from cvat_sandbox.formats.archive import write_zip
from cvat_sandbox.formats.v2.cvat_meta import meta
from cvat_sandbox.formats.v2.expansion import expanded_track, shapes_by_frame
from cvat_sandbox.formats.xml_lines import attribute, element, opening

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Shape, Snapshot, TaskContent

MEMBER = "annotations.xml"
TAGS = {"rectangle": "box", "polygon": "polygon", "polyline": "polyline", "points": "points", "cuboid": "cuboid",
        "ellipse": "ellipse", "mask": "mask", "skeleton": "skeleton"}  # fmt: skip
CORNERS = ("xtl", "ytl", "xbr", "ybr")
CUBOID_CORNERS = [f"{axis}{corner}{side}" for side in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy"]


def write_images(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an element for each image, with the tags and shapes on it; tracks become shapes."""
    _write(snapshot, out, _images(snapshot), images=images)


def write_video(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write an element for each track. A shape becomes a track of one frame, tags are lost."""
    _write(snapshot, out, _tracks(snapshot), images=images)


def _write(snapshot: Snapshot, out: BinaryIO, body: Iterator[str], *, images: bool) -> None:
    head = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    document = "\n".join([*head, *element("meta", meta(snapshot), 1), *body, "</annotations>", ""])
    write_zip(out, {MEMBER: document}, _files(snapshot) if images else ())


def _files(snapshot: Snapshot) -> Iterator[tuple[str, Any]]:
    names = snapshot.names()
    for task in snapshot.tasks:
        folder = f"images/{snapshot.subsets[task.id]}" if snapshot.project else "images"
        for number, frame in task.frames.items():
            yield f"{folder}/{names[task.id, number]}", frame.file


def _number(value: float) -> str:
    return f"{value:.2f}"


def _drawn(shape: Shape) -> dict[str, Any]:
    """Return the attributes with the coordinates of a shape, and its rotation if it is turned."""
    points, kind = shape["points"], shape["type"]
    if kind == "mask":
        *runs, left, top, right, bottom = (int(value) for value in points)
        return {"rle": ", ".join(map(str, runs)), "left": left, "top": top, "width": right - left + 1,
                "height": bottom - top + 1}  # fmt: skip
    if kind == "rectangle":
        found = dict(zip(CORNERS, map(_number, points), strict=True))
    elif kind == "ellipse":
        x, y, right, top = points
        found = {"cx": _number(x), "cy": _number(y), "rx": _number(right - x), "ry": _number(y - top)}
    elif kind == "cuboid":
        return dict(zip(CUBOID_CORNERS, map(_number, points), strict=True))
    else:
        pairs = zip(points[::2], points[1::2], strict=True)
        return {"points": ";".join(f"{_number(x)},{_number(y)}" for x, y in pairs)}
    return {**found, "rotation": _number(shape["rotation"])} if shape["rotation"] else found


def _group(item: Shape) -> dict[str, Any]:
    return {"group_id": item["group"]} if item["group"] else {}


def _content(snapshot: Snapshot, item: Shape, depth: int) -> list[str]:
    specs = snapshot.attribute_by_id
    return [attribute(specs[a["spec_id"]].name, a["value"], depth) for a in item["attributes"]]


def _label(snapshot: Snapshot, item: Shape) -> str:
    return snapshot.label_by_id[item["label_id"]].name


# -- images


def _images(snapshot: Snapshot) -> Iterator[str]:
    names = snapshot.names()
    for task in snapshot.tasks:
        shapes = shapes_by_frame(task)
        of_project = {"subset": snapshot.subsets[task.id], "task_id": task.id} if snapshot.project else {}
        for number, frame in task.frames.items():
            about = {"id": frame.id, "name": names[task.id, number], **of_project}
            yield opening("image", {**about, "width": frame.width, "height": frame.height}, 1)
            for shape in shapes[number]:
                yield from _shape(snapshot, shape)
            for tag in task.annotations["tags"]:
                if tag["frame"] == number:
                    head = {"label": _label(snapshot, tag), "source": tag["source"], **_group(tag)}
                    yield from [opening("tag", head, 2), *_content(snapshot, tag, 3), "    </tag>"]
            yield "  </image>"


def _shape(snapshot: Snapshot, shape: Shape) -> Iterator[str]:
    head: dict[str, Any] = {"label": _label(snapshot, shape), "source": shape["source"]}
    tail = {"z_order": shape["z_order"], **_group(shape)}
    tag = TAGS[shape["type"]]
    if shape["type"] == "skeleton":
        yield opening(tag, {**head, **tail}, 2)
        for part in shape["elements"]:
            about = {"label": _label(snapshot, part), "source": part["source"], **_flags(part, "outside", "occluded")}
            yield from _closed(snapshot, part, {**about, **_drawn(part)}, 3)
    else:
        yield opening(tag, {**head, **_flags(shape, "occluded"), **_drawn(shape), **tail}, 2)
    yield from [*_content(snapshot, shape, 3), f"    </{tag}>"]


def _flags(shape: Shape, *names: str) -> dict[str, int]:
    return {name: int(shape[name]) for name in names}


def _closed(snapshot: Snapshot, shape: Shape, head: dict[str, Any], depth: int) -> Iterator[str]:
    tag = TAGS[shape["type"]]
    yield from [opening(tag, head, depth), *_content(snapshot, shape, depth + 1), f"{'  ' * depth}</{tag}>"]


# -- tracks


def _tracks(snapshot: Snapshot) -> Iterator[str]:
    number = 0
    for task in snapshot.tasks:
        of_project = {"task_id": task.id, "subset": snapshot.subsets[task.id]} if snapshot.project else {}
        for track, shapes in _expanded(task):
            head = {"id": number, "label": _label(snapshot, track), "source": track["source"], **of_project}
            yield opening("track", {**head, **_group(track)}, 1)
            for shape in shapes:
                yield from _tracked_shape(snapshot, task, shape)
            yield "  </track>"
            number += 1


def _expanded(task: TaskContent) -> Iterator[tuple[Shape, list[Shape]]]:
    """Yield the tracks and their shapes, then the shapes of single frames."""
    for track in task.annotations["tracks"]:
        yield track, [shape for shape in expanded_track(track, task.end) if shape["frame"] in task.frames]
    for shape in task.annotations["shapes"]:
        if shape["frame"] in task.frames:
            yield shape, _as_track(task, shape)


def _as_track(task: TaskContent, shape: Shape) -> list[Shape]:
    """Return a shape, and one that is outside on the next frame, unless that is the last frame or beyond."""
    elements = [{**element, "keyframe": True} for element in shape["elements"]]
    first = {**shape, "outside": False, "keyframe": True, "elements": elements}
    if task.frames[shape["frame"]].id + task.step >= task.stop_frame:
        return [first]
    hidden = [{**element, "outside": True} for element in elements]
    return [first, {**first, "outside": True, "frame": shape["frame"] + 1, "elements": hidden}]


def _tracked_shape(snapshot: Snapshot, task: TaskContent, shape: Shape) -> Iterator[str]:
    frame = shape["frame"] * task.step + task.first_frame
    head = {"frame": frame, **_flags(shape, "keyframe")}
    tag, tail = TAGS[shape["type"]], {"z_order": shape["z_order"]}
    if shape["type"] == "skeleton":
        yield opening(tag, {**head, **tail}, 2)
        for part in shape["elements"]:
            about = {"label": _label(snapshot, part), **_flags(part, "keyframe", "outside", "occluded")}
            yield from _closed(snapshot, part, {**about, **_drawn(part)}, 3)
    else:
        yield opening(tag, {**head, **_flags(shape, "outside", "occluded"), **_drawn(shape), **tail}, 2)
    yield from [*_content(snapshot, shape, 3), f"    </{tag}>"]
