"""Everything that is saved in a task, frame by frame, from the JSON of CVAT's annotations API.

It shares no code with labelyard's client and its exports: an error there would otherwise go unnoticed.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

KINDS = ("rectangle", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton", "tag")
"""The kinds of objects, in the order in which people read them."""

MERGED = ("rectangle", "polygon", "ellipse", "mask")
"""The kinds of which a file has one annotation for a whole group, with the attributes of one of its shapes."""

OUTLINE_OF_CVAT: tuple[float, ...] = ()
"""The geometry of a polygon between two key frames of a track: only CVAT's own export has it."""


class Drawn(NamedTuple):
    """An object on an image: a shape, a tag, or what a track shows there.

    Numbers have two digits. The geometry is, in pixels:
    rectangle: left, top, width, height; if it is turned, its four corners follow;
    polygon, polyline, points, cuboid: x and y in turn;
    ellipse: x, y, both radii, and the rotation in degrees;
    mask: left, top, right, bottom, the number of pixels, and a checksum of them;
    skeleton: x, y and COCO's visibility in turn.
    Attributes are texts by name, with `occluded` among them; a shape of a group that becomes one annotation has none.
    """

    kind: str
    label: str
    geometry: tuple[float, ...]
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rules:
    """How a server's own export expands tracks."""

    outlines_end: bool
    """Whether tracks of polygons and polylines end with their last key frame."""
    stays_before_outside: bool
    """Whether an object stays where it was before a key frame that is outside."""


@dataclass(frozen=True)
class RawTask:
    """The JSON of a task: labels, annotations, the number of its frames, and the rules of its server."""

    labels: Sequence[Mapping[str, Any]]
    annotations: Mapping[str, Any]
    size: int
    rules: Rules


def drawn_by_frame(task: RawTask) -> dict[int, Counter[Drawn]]:
    """Return the objects on each frame that has any. Frames where a track is outside do not count."""
    labels = {label["id"]: label for parent in task.labels for label in (parent, *parent.get("sublabels", ()))}
    found: dict[int, Counter[Drawn]] = {}
    for frame, one in _objects(task, labels):
        found.setdefault(frame, Counter())[one] += 1
    return found


def _objects(task: RawTask, labels: Mapping[int, Any]) -> Iterator[tuple[int, Drawn]]:
    for shape in task.annotations["shapes"]:
        yield shape["frame"], _drawn(shape, shape, labels, shape["attributes"])
    for track in task.annotations["tracks"]:
        for frame, shape, attributes in _expanded(track, task):
            yield frame, _drawn(track, shape, labels, [*track["attributes"], *attributes])
    for tag in task.annotations["tags"]:
        label = labels[tag["label_id"]]
        yield tag["frame"], Drawn("tag", label["name"], (), _attributes(label, tag["attributes"]))


def _drawn(one: Any, shape: Any, labels: Mapping[int, Any], values: Iterable[Any]) -> Drawn:
    label, kind = labels[one["label_id"]], shape["type"]
    if kind == "skeleton":
        return Drawn(kind, label["name"], _keypoints(label, one["elements"]), _attributes(label, values))
    occluded = [("occluded", as_text(shape["occluded"]))]
    attributes = () if one["group"] and kind in MERGED else tuple(sorted((*_attributes(label, values), *occluded)))
    return Drawn(kind, label["name"], _geometry(kind, shape), attributes)


def _attributes(label: Any, values: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    texts = {value["spec_id"]: value["value"] for value in values}
    return tuple(
        sorted((spec["name"], as_text(texts.get(spec["id"], spec["default_value"]))) for spec in label["attributes"])
    )


def as_text(value: object) -> str:
    """Return the value of an attribute as a text: `true` for a checkbox, `5` for a number of any form."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


# --- geometry ---------------------------------------------------------------------------------------------------------


def _geometry(kind: str, shape: Any) -> tuple[float, ...]:
    points, rotation = shape["points"], shape.get("rotation") or 0
    if shape.get("resampled"):
        return OUTLINE_OF_CVAT
    if kind == "rectangle":
        left, top, right, bottom = points
        corners = turned((left, top, right, bottom), rotation) if rotation else []
        return rounded(left, top, right - left, bottom - top, *corners)
    if kind == "ellipse":
        x, y, right, top = points
        return rounded(x, y, right - x, y - top, rotation)
    if kind == "mask":
        *runs, left, top, right, _ = map(int, points)
        return pixels_geometry(run_pixels(runs, right - left + 1, left, top))
    return rounded(*points)


def rounded(*values: float) -> tuple[float, ...]:
    """Return numbers with two digits."""
    return tuple(round(value, 2) + 0.0 for value in values)


def turned(box: tuple[float, float, float, float], degrees: float) -> list[float]:
    """Return the corners of a box that is turned clockwise around its centre, from its upper left one."""
    left, top, right, bottom = box
    centre, turn = complex(left + right, top + bottom) / 2, complex(*_direction(degrees))
    corners = (complex(left, top), complex(right, top), complex(right, bottom), complex(left, bottom))
    turned_corners = [centre + (corner - centre) * turn for corner in corners]
    return [value for corner in turned_corners for value in (corner.real, corner.imag)]


def _direction(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def run_pixels(runs: Sequence[int], width: int, left: int, top: int) -> set[tuple[int, int]]:
    """Return the pixels (x, y) of run lengths over a box of this width, row by row, background first."""
    found, position = set(), 0
    for number, length in enumerate(runs):
        if number % 2:
            found |= {(left + at % width, top + at // width) for at in range(position, position + length)}
        position += length
    return found


def pixels_geometry(pixels: set[tuple[int, int]]) -> tuple[float, ...]:
    """Return the geometry of a mask."""
    xs, ys = [x for x, _ in pixels] or [0], [y for _, y in pixels] or [0]
    return min(xs), min(ys), max(xs), max(ys), len(pixels), zlib.crc32(repr(sorted(pixels)).encode())


def _keypoints(label: Any, elements: Iterable[Any]) -> tuple[float, ...]:
    """Return x, y and visibility of each point, in the order of the label's points."""
    by_label = {element["label_id"]: element for element in elements}
    found: list[float] = []
    for sublabel in label["sublabels"]:
        point = by_label[sublabel["id"]]
        found += [*point["points"], 0 if point["outside"] else 1 if point["occluded"] else 2]
    return rounded(*found)


# --- tracks -----------------------------------------------------------------------------------------------------------


def _expanded(track: Any, task: RawTask) -> Iterator[tuple[int, Any, Sequence[Any]]]:
    """Yield frame, shape and mutable attributes of a track where it is in the picture. Points move straight."""
    keys = sorted(track["shapes"], key=lambda key: int(key["frame"]))
    values: dict[int, Any] = {}
    for key, following in pairwise([*keys, None]):
        values |= {value["spec_id"]: value for value in key["attributes"]}
        if key["outside"]:
            continue
        yield key["frame"], key, list(values.values())
        is_outline = key["type"] in {"polygon", "polyline"}
        if following is None and is_outline and task.rules.outlines_end:
            continue
        end = task.size if following is None else following["frame"]
        for frame in range(key["frame"] + 1, end):
            share = (frame - key["frame"]) / (end - key["frame"])
            if following is None or (following["outside"] and task.rules.stays_before_outside):
                points = key["points"]
            else:
                points = [a + (b - a) * share for a, b in zip(key["points"], following["points"], strict=True)]
            yield frame, {**key, "points": points, "resampled": is_outline}, list(values.values())
