"""Slicing: the part of a task's annotations that belongs to the frames of one job, as CVAT 2.x cuts it.

A track that crosses the border gets an interpolated keyframe on the first and on the last frame of its part. `merge`
joins the parts again. `tracks` has the rules of CVAT 1.0.0.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

from cvat_sandbox.errors import Crash, InvalidAnnotation
from cvat_sandbox.state import areas, merging
from cvat_sandbox.state.interpolation import check_types, shape_at

Shape = dict[str, Any]
Annotations = dict[str, Any]


def slice_annotations(data: Annotations, start: int, stop: int) -> Annotations:
    """Return a copy of the annotations on the frames from `start` to `stop`.

    Raises InvalidAnnotation for an interval that is not on these frames alone.
    """
    tracks = (_part(track, start, stop) for track in data["tracks"] if _is_inside(track, start, stop))
    for interval in data["intervals"]:
        if not contains_interval(interval, start, stop):
            raise InvalidAnnotation(f"Interval {interval['id']} cannot be sliced to the [{start}, {stop}] range")
    return {
        "tags": [_copy(tag) for tag in data["tags"] if start <= tag["frame"] <= stop],
        "shapes": [_copy(shape) for shape in data["shapes"] if start <= shape["frame"] <= stop],
        "tracks": [track for track in tracks if track["shapes"]],
        "intervals": deepcopy(data["intervals"]),
    }


def _copy(item: Shape) -> Shape:
    """Return a copy that can be given ids; `deepcopy` is slow."""
    return {**item, **({"elements": [dict(element) for element in item["elements"]]} if "elements" in item else {})}


def contains_interval(interval: Shape, start: int, stop: int) -> bool:
    """Return whether an interval is on the frames from `start` to `stop`. It ends before its own `stop`."""
    return bool(start <= interval["start"] <= stop and (interval["stop"] is None or interval["stop"] <= stop + 1))


def _is_inside(track: Shape, start: int, stop: int) -> bool:
    """Return whether a track shows something on the frames; a skeleton does where one of its points does."""
    if track.get("elements"):
        return any(_is_inside(element, start, stop) for element in track["elements"])
    shapes = track["shapes"]
    for first, last in pairwise(shapes):
        begins_outside = last["frame"] == start and last["outside"]
        if not begins_outside and not first["outside"] and min(last["frame"], stop) >= max(first["frame"], start):
            return True
    return bool(shapes and not shapes[-1]["outside"] and shapes[-1]["frame"] <= stop)


def _part(track: Shape, start: int, stop: int) -> Shape:
    """Return the part of a track on the frames; it has no shapes where it would show nothing."""
    part = deepcopy(track)
    kept = _visible(deepcopy(track["shapes"]), start, stop)
    if "elements" in part:
        part["elements"] = [_part(element, start, stop) for element in part["elements"]]
    if len(kept) < len(track["shapes"]) and any(shape["type"] != "mask" for shape in track["shapes"]):
        _add_borders(kept, part, start, stop)
    for shape in kept:
        shape.pop("keyframe", None)
    part["shapes"] = kept
    if kept:
        part["frame"] = kept[0]["frame"]
    return part


def _visible(shapes: list[Shape], start: int, stop: int) -> list[Shape]:
    """Return the shapes on the frames, without those that are outside before the first that is not."""
    inside = [shape for shape in shapes if start <= shape["frame"] <= stop]
    first = next((index for index, shape in enumerate(inside) if not shape["outside"]), len(inside))
    return inside[first:]


def _add_borders(kept: list[Shape], track: Shape, start: int, stop: int) -> None:
    """Add the shapes at the ends of the frames to the keyframes that are kept."""
    shapes = keyframes_and_between(track, range(start, stop + 1), exact={start, stop})
    visible = _visible(shapes, start, stop)
    if not visible:
        return
    if not visible[0]["keyframe"]:
        kept.insert(0, visible[0])
    last = visible[-1]
    moves_on = max(shape["frame"] for shape in track["shapes"]) >= stop and last["points"] != kept[-1]["points"]
    ends = last["keyframe"] and last["outside"] and last["frame"] > kept[-1]["frame"]
    if moves_on or ends:
        kept.append(last)
    elif stop + 1 < len(shapes) and shapes[stop + 1]["outside"]:  # the index is no frame: CVAT's slip
        kept.append(shapes[stop + 1])


def keyframes_and_between(track: Shape, frames: range, exact: Container[int] | None = None) -> list[Shape]:
    """Return the keyframes of a track and the shapes between them, up to the last of `frames`.

    exact: the frames whose shapes are interpolated, all of `frames` by default. On others they are as the keyframe
    before, which is enough to know where the track is.
    As in CVAT, the keyframes themselves get the key `keyframe` and the attributes that they inherit, which is why some
    answers for a task show them. Raises Crash for two keyframes on one frame, and for types that cannot be mixed.
    """
    try:
        shapes = list(_shapes(track, frames.stop, frames if exact is None else exact))
    except NotImplementedError as error:
        raise Crash("NotImplementedError") from error
    return [
        shape for shape in shapes
        if track["frame"] <= shape["frame"] < frames.stop and (shape["keyframe"] or not shape["outside"])
    ]  # fmt: skip


def _shapes(track: Shape, end_frame: int, exact: Container[int]) -> Iterator[Shape]:
    previous: Shape | None = None
    for shape in sorted(track["shapes"], key=lambda shape: int(shape["frame"])):
        if previous is not None and shape["frame"] >= end_frame:
            if shape["frame"] <= max(previous["frame"] + 1, end_frame):
                shape["keyframe"] = True
            yield from _between(previous, shape, end_frame, exact)
            return
        if previous is not None:
            if shape["frame"] == previous["frame"]:
                if _content(shape) == _content(previous):
                    continue
                raise Crash(f"AssertionError: {shape['frame']} > {previous['frame']}. Track id: {track['id']}")
            _inherit(shape, previous)
            yield from _between(previous, shape, end_frame, exact)
        shape["keyframe"] = True
        yield shape
        previous = shape
    if previous is not None:
        yield from _after(previous, end_frame)


def _between(first: Shape, last: Shape, end_frame: int, exact: Container[int]) -> Iterator[Shape]:
    if first["outside"]:
        return
    check_types(first, last)
    for frame in range(first["frame"] + 1, min(last["frame"], end_frame)):
        yield shape_at(first, last, frame) if frame in exact else {**first, "frame": frame, "keyframe": False}


def _after(last: Shape, end_frame: int) -> Iterator[Shape]:
    """Yield copies of the last keyframe, which stays where it is."""
    if not last["outside"]:
        for frame in range(last["frame"] + 1, end_frame):
            yield {**last, "attributes": [*last["attributes"]], "frame": frame, "keyframe": False}


def _content(shape: Shape) -> Shape:
    return {**shape, "id": None, "keyframe": None}


def _inherit(shape: Shape, previous: Shape) -> None:
    known = {attribute["spec_id"] for attribute in shape["attributes"]}
    shape["attributes"] += [dict(a) for a in previous["attributes"] if a["spec_id"] not in known]


# -- several jobs


def merge(into: Annotations, data: Annotations, start_frame: int, overlap: int) -> None:
    """Add the annotations of the next job to `into`; similar ones on the frames that both jobs contain become one."""
    merging.merge(into, data, start_frame, overlap, merging.Rules(_similarity, keyframes_and_between))
    into["intervals"] += data["intervals"]


def _similarity(first: Shape, second: Shape) -> float:
    """Return the overlap of two boxes or polygons; other types are never similar. Rotation does not count."""
    if first["type"] != second["type"] or first.get("label_id") != second.get("label_id"):
        return 0.0
    if first["type"] == "rectangle":
        return areas.box_overlap(first["points"], second["points"])
    return areas.polygon_overlap(first["points"], second["points"]) if first["type"] == "polygon" else 0.0
