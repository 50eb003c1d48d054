"""The shapes of a task by frame, with its tracks expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.interpolation import interpolated

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Shape, TaskContent


def shapes_by_frame(task: TaskContent) -> dict[int, list[Shape]]:
    """Return the visible shapes of each frame, sorted by z_order; tracks follow the shapes.

    Shapes on frames that the task does not have are left out. A shape of a track has `track_id` and `keyframe`.
    """
    found: dict[int, list[Shape]] = {number: [] for number in task.frames}
    tracked = [shape for shape in _tracked(task.annotations["tracks"], task.end) if not shape["outside"]]
    for shape in sorted([*task.annotations["shapes"], *tracked], key=lambda shape: int(shape["z_order"])):
        if shape["frame"] in found:
            found[shape["frame"]].append(shape)
    return found


def _tracked(tracks: list[Shape], end: int, *, outside: bool = False) -> list[Shape]:
    """Return the shapes of tracks on all frames, with the shapes of their elements."""
    shapes: list[Shape] = []
    for number, track in enumerate(tracks):
        own = {"label_id": track["label_id"], "group": track["group"], "source": track["source"], "track_id": number,
               "source_track_id": track.get("id")}  # fmt: skip
        by_frame: dict[int, Shape] = {}
        for shape in interpolated(track, end, outside=outside):
            attributes = shape["attributes"] + track["attributes"]
            by_frame[shape["frame"]] = {**shape, **own, "attributes": attributes, "elements": []}
        elements = track.get("elements", [])
        for element in _tracked(elements, end, outside=True):
            if element["frame"] in by_frame:
                by_frame[element["frame"]]["elements"].append(element)
        shapes += [shape for shape in by_frame.values() if not elements or _is_seen(shape)]
    return shapes


def _is_seen(skeleton: Shape) -> bool:
    return not all(element["outside"] for element in skeleton["elements"])


def expanded_track(track: Shape, end: int) -> list[Shape]:
    """Return the shapes of a track on all frames, each with the shapes of its elements there."""
    elements: dict[int, list[Shape]] = {}
    for element in track.get("elements", []):
        for shape in expanded_track(element, end):
            elements.setdefault(shape["frame"], []).append({**shape, "label_id": element["label_id"]})
    attributes: list[Any] = track["attributes"]
    return [
        {**shape, "attributes": shape["attributes"] + attributes, "elements": elements.get(shape["frame"], [])}
        for shape in interpolated(track, end)
    ]
