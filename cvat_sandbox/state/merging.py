"""Merging: annotations of jobs whose frames overlap become the annotations of one task.

The functions are pure. Annotations are dicts as the API holds them: {"tags", "shapes", "tracks"}. What counts as
similar, and what a track shows between its keyframes, differs by version: see `Rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Shape = dict[str, Any]
Annotations = dict[str, Any]
MAX_COST = 0.25
MAX_TRACK_COST = 0.5


@dataclass(frozen=True)
class Rules:
    """The rules of a version of CVAT."""

    similarity: Callable[[Shape, Shape], float]
    """How similar two shapes of the same frame are, from 0 to 1."""
    shapes_on: Callable[[Shape, range], list[Shape]]
    """The shapes of a track on some frames, and perhaps on frames before them."""


def merge(into: Annotations, data: Annotations, start_frame: int, overlap: int, rules: Rules) -> None:
    """Add the annotations of the next job to `into`; similar ones on the frames that both jobs contain become one.

    start_frame: the first frame of the next job.
    """
    _merge_by_frame(into["tags"], data["tags"], start_frame, overlap, _same_label)
    _merge_by_frame(into["shapes"], data["shapes"], start_frame, overlap, rules.similarity)
    _merge_tracks(into["tracks"], data["tracks"], start_frame, overlap, rules)


def _same_label(first: Shape, second: Shape) -> float:
    return float(first["label_id"] == second["label_id"])


def _merge_by_frame(
    into: list[Shape], new: list[Shape], start: int, overlap: int, similarity: Callable[[Shape, Shape], float]
) -> None:
    present: dict[int, list[Shape]] = {}
    for item in into:
        if item["frame"] >= start:
            present.setdefault(item["frame"], []).append(item)
    into += [item for item in new if item["frame"] >= start + overlap]
    shared: dict[int, list[Shape]] = {}
    for item in new:
        if item["frame"] < start + overlap:
            shared.setdefault(item["frame"], []).append(item)
    for frame, items in shared.items():
        matched = _matched(items, present.get(frame, []), similarity, MAX_COST)
        into += [item for index, item in enumerate(items) if index not in matched]


def _matched(
    new: list[Shape], old: list[Shape], similarity: Callable[[Shape, Shape], float], max_cost: float
) -> dict[int, int]:
    """Return pairs of similar items, index in `new` to index in `old`, whose cost is at most `max_cost`."""
    costs = sorted((1 - similarity(a, b), i, j) for i, a in enumerate(new) for j, b in enumerate(old))
    pairs: dict[int, int] = {}
    for cost, i, j in costs:
        if cost <= max_cost and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


# -- tracks


def _merge_tracks(into: list[Shape], new: list[Shape], start: int, overlap: int, rules: Rules) -> None:
    old = [track for track in into if track["shapes"] and _reaches(track, start)]
    shared = [track for track in new if track["frame"] < start + overlap]
    into += [track for track in new if track["frame"] >= start + overlap]

    visible = _Visible(range(start, start + overlap), rules)
    pairs = _matched(shared, old, visible.similarity, MAX_TRACK_COST) if overlap else {}
    for i, j in pairs.items():
        _unite(old[j], shared[i])
    into += [track for index, track in enumerate(shared) if index not in pairs]
    for index, track in enumerate(old):
        if index not in pairs.values():
            _end(track, start + overlap)


def _reaches(track: Shape, frame: int) -> bool:
    last = track["shapes"][-1]
    return bool(last["frame"] >= frame or not last["outside"])


class _Visible:
    """What tracks show on the frames that two jobs share."""

    def __init__(self, frames: range, rules: Rules) -> None:
        self._frames, self._rules = frames, rules
        self._known: dict[int, dict[int, Shape]] = {}

    def _shapes(self, track: Shape) -> dict[int, Shape]:
        """Return the shapes of a track by frame; each track is interpolated once, for all comparisons."""
        if id(track) not in self._known:
            found = self._rules.shapes_on(track, self._frames)
            self._known[id(track)] = {shape["frame"]: shape for shape in found}
        return self._known[id(track)]

    def similarity(self, first: Shape, second: Shape) -> float:
        """Return how similar two tracks are on the frames."""
        if first["label_id"] != second["label_id"]:
            return 0.0
        left, right = self._shapes(first), self._shapes(second)
        if not left or not right:
            return 0.0
        errors = []
        for frame in self._frames:
            a, b = left.get(frame), right.get(frame)
            if a and b:
                errors.append(1.0 if a["outside"] != b["outside"] else 1 - self._rules.similarity(a, b))
            elif a or b:
                errors.append(1.0)
        return 1 - sum(errors) / len(errors) if errors else 0.0


def _unite(track: Shape, other: Shape) -> None:
    shapes = {shape["frame"]: shape for shape in other["shapes"]} | {shape["frame"]: shape for shape in track["shapes"]}
    track["frame"] = min(track["frame"], other["frame"])
    track["shapes"] = [shapes[frame] for frame in sorted(shapes)]


def _end(track: Shape, frame: int) -> None:
    """Let a track, and the points of a skeleton, be outside from a frame on."""
    last = track["shapes"][-1] if track["shapes"] else None
    if last and not last["outside"]:
        track["shapes"].append({**deepcopy(last), "frame": frame, "outside": True})
        for element in track.get("elements", []):
            _end(element, frame)
