"""Tracks: interpolation between keyframes, cutting to the frames of a job, and merging of jobs that overlap.

The functions are pure. Annotations are dicts as the API holds them: {"tags", "shapes", "tracks"}.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

from cvat_sandbox.state import areas, merging

Shape = dict[str, Any]
Annotations = dict[str, Any]
CONTINUED = ("rectangle", "points", "cuboid")
"""Types that continue after their last keyframe to the end of the task. Polygons and polylines end there."""


def interpolated(track: Shape, end_frame: int) -> list[Shape]:
    """Return copies of a track's keyframes and of the shapes between them, up to the frame before `end_frame`.

    Raises AssertionError, as CVAT does, when the frames of the keyframes do not ascend.
    """
    shapes: list[Shape] = []
    previous: Shape | None = None
    for original in track["shapes"]:
        shape = {**deepcopy(original), "keyframe": True}
        if previous is not None:
            if shape["frame"] <= previous["frame"]:
                raise AssertionError
            known = {attribute["spec_id"] for attribute in shape["attributes"]}
            shape["attributes"] += [deepcopy(a) for a in previous["attributes"] if a["spec_id"] not in known]
            if not previous["outside"]:
                shapes += _between(previous, shape)
        shapes.append(shape)
        previous = shape
    if previous and not previous["outside"] and previous["type"] in CONTINUED:
        shapes += _between(previous, {**previous, "frame": end_frame})
    return shapes


def at(track: Mapping[str, Any], frame: int) -> Shape | None:
    """Return the shape of a track on one frame, or None where the track is outside."""
    shapes = track["shapes"]
    index = bisect.bisect_right(shapes, frame, key=lambda shape: shape["frame"])
    if not index or shapes[index - 1]["outside"]:
        return None
    first: Shape = shapes[index - 1]
    if first["frame"] == frame:
        return first
    if index < len(shapes):
        start, steps = _movement(first, shapes[index])
        return _moved(first, start, steps, frame - first["frame"])
    return first if first["type"] in CONTINUED else None


def _between(first: Shape, last: Shape) -> list[Shape]:
    """Return the shapes between two keyframes."""
    start, steps = _movement(first, last)
    return [_moved(first, start, steps, offset) for offset in range(1, last["frame"] - first["frame"])]


def _movement(first: Shape, last: Shape) -> tuple[list[float], list[float]]:
    """Return the points of a keyframe and their movement by frame, which is 0 before a keyframe that is outside."""
    kinds = {first["type"], last["type"]}
    start, end = first["points"], last["points"]
    if len(kinds) > 1 or kinds & {"polygon", "polyline"} or len(start) != len(end):
        start, end = _resampled(start), _resampled(end)
    distance = last["frame"] - first["frame"]
    moving = distance and not last["outside"]
    return start, [(b - a) / distance if moving else 0.0 for a, b in zip(start, end, strict=True)]


def _moved(first: Shape, start: list[float], steps: list[float], offset: int) -> Shape:
    points = _simplified([a + step * offset for a, step in zip(start, steps, strict=True)])
    return {**deepcopy(first), "points": points, "keyframe": False, "frame": first["frame"] + offset}


def _pairs(points: list[float]) -> list[tuple[float, float]]:
    return list(zip(points[::2], points[1::2], strict=False))


def _resampled(points: list[float], count: int = 100) -> list[float]:
    """Return `count` points along a polyline at equal distances, without its last point."""
    corners = _pairs(points)
    if len(corners) == 1:
        return points * count
    lengths = [math.dist(a, b) for a, b in pairwise(corners)]
    total, result = sum(lengths), []
    for number in range(count):
        left, index = total * number / count, 0
        while index < len(lengths) - 1 and left > lengths[index]:
            left -= lengths[index]
            index += 1
        share = left / lengths[index] if lengths[index] else 0.0
        (x0, y0), (x1, y1) = corners[index], corners[index + 1]
        result += [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share]
    return result


def _simplified(points: list[float], tolerance: float = 0.05) -> list[float]:
    """Return the points without those that lie within `tolerance` of the line (Douglas and Peucker)."""
    corners = _pairs(points)
    if len(corners) < 3:
        return list(points)
    keep, ranges = {0, len(corners) - 1}, [(0, len(corners) - 1)]
    while ranges:
        first, last = ranges.pop()
        far = max(
            range(first + 1, last), key=lambda i: _distance(corners[i], corners[first], corners[last]), default=None
        )
        if far is not None and _distance(corners[far], corners[first], corners[last]) > tolerance:
            keep.add(far)
            ranges += [(first, far), (far, last)]
    return [value for index in sorted(keep) for value in corners[index]]


def _distance(point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    share = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / length if length else 0.0
    share = min(1.0, max(0.0, share))
    return math.dist(point, (start[0] + share * dx, start[1] + share * dy))


# -- the frames of one job


def cut_to_frames(data: Annotations, start: int, stop: int) -> Annotations:
    """Return a copy of the annotations on the frames from `start` to `stop`."""
    inside = {
        kind: [deepcopy(item) for item in data[kind] if start <= item["frame"] <= stop] for kind in ("tags", "shapes")
    }
    cut = (_cut_track(track, start, stop) for track in data["tracks"] if _touches(track, start, stop))
    return {**inside, "tracks": [track for track in cut if track]}


def _touches(track: Shape, start: int, stop: int) -> bool:
    shapes = track["shapes"]
    for first, last in pairwise(shapes):
        if not first["outside"] and min(last["frame"], stop) >= max(first["frame"], start):
            return True
    return not shapes[-1]["outside"] and shapes[-1]["frame"] <= stop


def _cut_track(track: Shape, start: int, stop: int) -> Shape | None:
    """Return a track with its keyframes on these frames, and one at each end where the track continues."""

    def scoped(shapes: list[Shape]) -> list[Shape]:
        shapes = [shape for shape in shapes if start <= shape["frame"] <= stop]
        leading = next((index for index, shape in enumerate(shapes) if not shape["outside"]), len(shapes) - 1)
        return shapes[max(leading, 0) :]

    chosen = scoped(deepcopy(track["shapes"]))
    if len(chosen) < len(track["shapes"]):
        every = scoped(interpolated(track, stop + 1))
        chosen = [shape for shape in every if shape["keyframe"] or shape is every[0] or shape is every[-1]]
    for shape in chosen:
        shape.pop("keyframe", None)
    return {**deepcopy(track), "shapes": chosen, "frame": chosen[0]["frame"]} if chosen else None


# -- several jobs


def merge(into: Annotations, data: Annotations, start_frame: int, overlap: int) -> None:
    """Add the annotations of the next job to `into`; similar ones on the frames that both jobs contain become one."""
    rules = merging.Rules(_similarity, lambda track, frames: interpolated(track, frames.stop))
    merging.merge(into, data, start_frame, overlap, rules)


def _similarity(first: Shape, second: Shape) -> float:
    """Return the intersection over union of two rectangles.

    Two polygons of a label are always similar: CVAT compares the first with itself.
    """
    if first["type"] != second["type"] or first.get("label_id") != second.get("label_id"):
        return 0.0
    if first["type"] == "polygon":
        return 1.0
    if first["type"] != "rectangle" or len(first["points"]) != 4 or len(second["points"]) != 4:
        return 0.0
    return areas.box_overlap(first["points"], second["points"])
