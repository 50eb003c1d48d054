"""Outlines: annotations as SVG elements, in pixels of the image, for the pages of a task.

The functions are pure. The API stores any numbers, so shapes that cannot be drawn (a rectangle of three numbers, NaN)
are left out and the other shapes of the frame are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state import tracks

if TYPE_CHECKING:
    import sqlite3

MAX_OUTLINES = 500
"""Further shapes on a frame are counted and not drawn."""

_EDGES = ((0, 2, 4, 6, 0), (1, 3, 5, 7, 1), (0, 1), (2, 3), (4, 5), (6, 7))  # of CVAT's eight corners of a cuboid
_MAX_COORDINATE = 1e6  # pixels; larger coordinates are outside of every image


@dataclass(frozen=True)
class Label:
    """A label and its colour on the page."""

    name: str
    colour: str


@dataclass(frozen=True)
class Outline:
    """A shape: its SVG element and attributes, and the position of its name."""

    tag: str
    attributes: Mapping[str, str]
    label: Label
    left: float
    top: float
    occluded: bool
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Overlay:
    """All outlines and tags of a frame; `more` is the number of shapes that are not drawn."""

    outlines: tuple[Outline, ...] = ()
    tags: tuple[Label, ...] = ()
    more: int = 0


def palette(labels: Sequence[Mapping[str, Any] | sqlite3.Row]) -> dict[int, Label]:
    """Return the labels of a task by id. Each has its own colour; consecutive labels differ most."""
    # 137.508 degrees is the golden angle: neighbouring labels get distant hues.
    return {
        label["id"]: Label(
            label["name"], f"hsl({round(number * 137.508 + 150) % 360} 85% {(62, 78)[number // 7 % 2]}%)"
        )
        for number, label in enumerate(labels)
    }


def overlays(annotations: Mapping[str, Any], labels: Mapping[int, Label], frames: range) -> list[Overlay]:
    """Return the overlay of each of the frames. `annotations` are dicts as the API holds them."""
    shapes: dict[int, list[tuple[Mapping[str, Any], Label]]] = {frame: [] for frame in frames}
    tags: dict[int, list[Label]] = {frame: [] for frame in frames}
    for shape in _parts(annotations["shapes"]):
        if shape["frame"] in frames and not shape.get("outside"):
            shapes[shape["frame"]].append((shape, labels[shape["label_id"]]))
    for track, frame in product(_parts(annotations["tracks"]), frames):
        if found := _tracked(track, frame):
            shapes[frame].append((found, labels[track["label_id"]]))
    for tag in annotations["tags"]:
        if tag["frame"] in frames:
            tags[tag["frame"]].append(labels[tag["label_id"]])
    return [_overlay(shapes[frame], tags[frame]) for frame in frames]


def _parts(items: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield shapes or tracks; instead of a skeleton its points."""
    for item in items:
        yield from item.get("elements") or [item]


def _overlay(shapes: list[tuple[Mapping[str, Any], Label]], tags: list[Label]) -> Overlay:
    lowest_first = sorted(shapes, key=lambda pair: int(pair[0]["z_order"]))
    drawn = (_outline(*pair) for pair in lowest_first[:MAX_OUTLINES])
    return Overlay(tuple(filter(None, drawn)), tuple(tags), max(0, len(shapes) - MAX_OUTLINES))


def _tracked(track: Mapping[str, Any], frame: int) -> dict[str, Any] | None:
    try:
        return tracks.at(track, frame)
    except (IndexError, ValueError):  # no interpolation between these keyframes, such as one of a single number
        return None


def _outline(shape: Mapping[str, Any], label: Label) -> Outline | None:
    numbers = shape["points"]
    if shape["type"] == "mask":
        return _mask(numbers, label)
    if (
        len(numbers) < 2 or len(numbers) % 2 or not all(abs(n) <= _MAX_COORDINATE for n in numbers)
    ):  # NaN is not <= either
        return None
    corners = list(zip(numbers[::2], numbers[1::2], strict=True))
    element = _element(shape["type"], corners)
    if element is None:
        return None
    if rotation := shape.get("rotation"):
        element[1]["transform"] = f"rotate({_text(rotation)} {_middle(shape['type'], corners)})"
    left, top = (min(values) for values in zip(*corners, strict=True))
    dots = tuple((round(x, 2), round(y, 2)) for x, y in corners) if shape["type"] == "points" else ()
    return Outline(*element, label, left, top, bool(shape["occluded"]), dots)


def _element(kind: str, corners: list[tuple[float, float]]) -> tuple[str, dict[str, str]] | None:
    """Return the tag and the attributes for a type of shape, or None if the number of corners does not fit."""
    if kind == "rectangle":
        return _rectangle(*corners) if len(corners) == 2 else None
    if kind == "cuboid":
        return ("path", {"d": _cuboid(corners)}) if len(corners) == 8 else None
    if kind == "points":
        return "g", {}
    if kind == "ellipse":
        return _ellipse(*corners) if len(corners) == 2 else None
    return kind, {"points": " ".join(f"{_text(x)},{_text(y)}" for x, y in corners)}


def _rectangle(a: tuple[float, float], b: tuple[float, float]) -> tuple[str, dict[str, str]]:
    (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    return "rect", {"x": _text(x0), "y": _text(y0), "width": _text(x1 - x0), "height": _text(y1 - y0)}


def _ellipse(middle: tuple[float, float], end: tuple[float, float]) -> tuple[str, dict[str, str]]:
    radii = {"rx": _text(abs(end[0] - middle[0])), "ry": _text(abs(end[1] - middle[1]))}
    return "ellipse", {"cx": _text(middle[0]), "cy": _text(middle[1]), **radii}


def _middle(kind: str, corners: list[tuple[float, float]]) -> str:
    """Return the point around which a shape is rotated."""
    if kind == "ellipse":
        return " ".join(map(_text, corners[0]))
    return " ".join(_text((min(values) + max(values)) / 2) for values in zip(*corners, strict=True))


def _mask(numbers: Sequence[float], label: Label) -> Outline | None:
    """Return the outline of a mask: a line for each row of a run, or its box if there are too many."""
    if len(numbers) < 5 or not all(abs(n) <= _MAX_COORDINATE for n in numbers):
        return None
    *runs, left, top, right, bottom = (int(number) for number in numbers)
    width = right - left + 1
    if width < 1:
        return None
    lines: list[str] = []
    position = 0
    for number, run in enumerate(runs):
        if number % 2 and run > 0:
            lines += _rows(position, run, width, left, top)
        position += run
        if len(lines) > MAX_OUTLINES:
            return Outline(*_rectangle((left, top), (right, bottom)), label, left, top, occluded=False)
    return Outline("path", {"d": " ".join(lines)}, label, left, top, occluded=False)


def _rows(start: int, length: int, width: int, left: int, top: int) -> Iterator[str]:
    """Yield the rows of a run as parts of a path."""
    end = min(start + length, start + MAX_OUTLINES * width)
    while start < end:
        y, x = divmod(start, width)
        part = min(end - start, width - x)
        yield f"M{left + x},{top + y}.5 h{part}"
        start += part


def _cuboid(corners: list[tuple[float, float]]) -> str:
    return " ".join("M" + " L".join(f"{_text(x)},{_text(y)}" for x, y in map(corners.__getitem__, e)) for e in _EDGES)


def _text(number: float) -> str:
    """Return a number with at most two decimals and no trailing zeros."""
    return f"{round(number, 2):.10g}"


def unit(width: int, height: int) -> float:
    """Return the number of image pixels that is 1 % of the width of a grid cell, which is four by three."""
    return max(width, height * 4 / 3, 1) / 100
