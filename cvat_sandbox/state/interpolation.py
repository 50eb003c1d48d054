"""The shapes of a track between its keyframes, as CVAT 2.x computes them. `tracks` has the rules of CVAT 1.0.0.

The functions are pure. A track is a dict as the API holds it.
"""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise
from typing import Any

Shape = dict[str, Any]
Point = tuple[float, float]
MOVED_POINT_BY_POINT = ("rectangle", "ellipse", "cuboid")


def interpolated(track: Shape, end_frame: int, *, outside: bool = False) -> list[Shape]:
    """Return copies of a track's keyframes and of the shapes between them, up to the frame before `end_frame`.

    Every type continues after the last keyframe. With `outside`, a track also continues where it is outside.
    """
    keyframes = _keyframes(track)
    shapes: list[Shape] = []
    for first, last in pairwise(keyframes):
        shapes.append(first)
        if outside or not first["outside"]:
            shapes += between(first, last)
    if keyframes:
        final = keyframes[-1]
        shapes.append(final)
        if outside or not final["outside"]:
            shapes += between(final, {**final, "frame": end_frame})
    return [shape for shape in shapes if shape["frame"] < end_frame]


def _keyframes(track: Shape) -> list[Shape]:
    """Return copies of the keyframes; each inherits the attributes that it lacks from the one before."""
    found: list[Shape] = []
    for original in sorted(track["shapes"], key=lambda shape: int(shape["frame"])):
        shape = {**deepcopy(original), "keyframe": True}
        if found:
            known = {attribute["spec_id"] for attribute in shape["attributes"]}
            shape["attributes"] += [deepcopy(a) for a in found[-1]["attributes"] if a["spec_id"] not in known]
        if found and found[-1]["frame"] == shape["frame"]:
            continue
        found.append(shape)
    return found


def between(first: Shape, last: Shape) -> list[Shape]:
    """Return the shapes on the frames between two keyframes; raises NotImplementedError for two types."""
    check_types(first, last)
    return [shape_at(first, last, frame) for frame in range(first["frame"] + 1, last["frame"])]


def check_types(first: Shape, last: Shape) -> None:
    """Raise NotImplementedError for two keyframes of different types."""
    if first["type"] != last["type"]:
        raise NotImplementedError


def shape_at(first: Shape, last: Shape, frame: int) -> Shape:
    """Return the shape on a frame between two keyframes of one type."""
    share = (frame - first["frame"]) / (last["frame"] - first["frame"])
    return {**deepcopy(first), "keyframe": False, "frame": frame, **_moved(first, last, share)}


def _moved(first: Shape, last: Shape, share: float) -> Shape:
    """Return the changed fields of a shape that has moved by `share` of the way to the next keyframe."""
    kind, start, end = first["type"], first["points"], last["points"]
    if kind in MOVED_POINT_BY_POINT or (kind == "points" and len(start) == len(end) == 2):
        points = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
        return {"points": points, "rotation": _turned(first["rotation"], last["rotation"], share)}
    if kind == "polygon":
        return {"points": _outline(start + start[:2], end + end[:2], share)[:-2]}
    if kind == "polyline":
        return {"points": _outline(start, end, share)}
    return {}


def _turned(start: float, end: float, share: float) -> float:
    """Return the rotation on the shorter way between two."""
    difference = (end - start + 180) % 360 - 180
    return (start + difference * share + 360) % 360


# -- outlines whose numbers of points may differ


def _outline(start: list[float], end: list[float], share: float) -> list[float]:
    """Return an outline between two: each point moves to the one at a similar distance along the other outline."""
    left, right = _pairs(start), _pairs(end)
    matches = _matches(_distances(left), _distances(right))
    moved: list[Point] = []
    positions: list[list[int]] = []
    for (x, y), partners in zip(left, matches, strict=True):
        positions.append(list(range(len(moved), len(moved) + len(partners))))
        moved += [(x + (right[i][0] - x) * share, y + (right[i][1] - y) * share) for i in partners]
    kept: list[Point] = []
    for run in _runs(matches):
        if len(run) == 1 and len(matches[run[0]]) > 1:
            partners = matches[run[0]]
            segment, count = right[partners[0] : partners[-1] + 1], partners[-1] - partners[0] + 1
        else:
            segment, count = left[run[0] : run[-1] + 1], len(run)
        kept += _thinned(moved[positions[run[0]][0] : positions[run[-1]][-1] + 1], _length(segment) / (2 * count))
    return [value for point in kept for value in point]


def _pairs(points: list[float]) -> list[Point]:
    return list(zip(points[::2], points[1::2], strict=False))


def _length(points: list[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _distances(points: list[Point]) -> list[float]:
    """Return how far along the outline each point is, from 0 to 1."""
    total, covered, found = _length(points) or 1.0, 0.0, [0.0]
    for a, b in pairwise(points):
        covered += math.dist(a, b)
        found.append(covered / total)
    return found


def _matches(left: list[float], right: list[float]) -> list[list[int]]:
    """Return the numbers of the points on the right that each point on the left moves to: at least one, and all."""
    found = [[_nearest(value, right)] for value in left]
    matched = {numbers[0] for numbers in found}
    for number, value in enumerate(right):
        if number not in matched:
            found[_nearest(value, left)].append(number)
    return [sorted(numbers) for numbers in found]


def _nearest(value: float, others: list[float]) -> int:
    return min(range(len(others)), key=lambda number: abs(value - others[number]))


def _runs(matches: list[list[int]]) -> list[list[int]]:
    """Return neighbours that move to the same one point together, and every other point alone."""
    runs: list[list[int]] = []
    for number, partners in enumerate(matches):
        if runs and len(partners) == 1 and matches[runs[-1][-1]] == partners:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _thinned(points: list[Point], threshold: float) -> list[Point]:
    """Return the points without those closer than `threshold` to the one before; the ends stay."""
    if len(points) == 1:
        return points
    kept = [points[0]]
    for point in points[1:-1]:
        if math.dist(kept[-1], point) >= threshold:
            kept.append(point)
    if len(kept) == 1 and math.dist(points[0], points[-1]) < threshold:
        return [((points[0][0] + points[-1][0]) / 2, (points[0][1] + points[-1][1]) / 2)]
    return [*kept, points[-1]]
