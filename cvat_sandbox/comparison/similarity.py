"""The similarity of two shapes of one kind: intersection over union of areas, key point similarity of points.

Areas are compared as pixels on the image, as CVAT does, but for two boxes of the same rotation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cvat_sandbox.comparison.matching import match
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.v2.dataset import VISIBLE, Annotation
from cvat_sandbox.state.areas import box_overlap

Box = tuple[float, float, float, float]
"""x, y, width and height."""
ELLIPSE_POINTS = 720
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


class Size(NamedTuple):
    """The size of an image."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """The number of pixels."""
        return self.width * self.height


# -- areas


def outline(annotation: Annotation) -> list[float]:
    """Return the polygon of a bbox, an ellipse or a polygon, turned by its rotation."""
    if annotation.kind == "polygon":
        return annotation.points
    return rotated(unrotated(annotation), annotation.attributes.get("rotation", 0.0), annotation.box)


def unrotated(annotation: Annotation) -> list[float]:
    """Return the polygon of a bbox or an ellipse without its rotation."""
    if annotation.kind == "bbox":
        return annotation.corners
    x, y, width, height = annotation.box
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS)
    xs, ys = x + width / 2 + width / 2 * np.cos(angles), y + height / 2 + height / 2 * np.sin(angles)
    return [float(value) for value in np.stack([xs, ys], axis=1).ravel()]


def rotated(points: list[float], degrees: float, box: Box) -> list[float]:
    """Return points turned clockwise around the middle of a box."""
    if not degrees:
        return points
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    turned = (np.reshape(points, (-1, 2)) - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    return [float(value) for value in turned.ravel()]


def pixels(annotation: Annotation, size: Size) -> masks.Mask:
    """Return the pixels of a shape with an area."""
    if annotation.mask is not None:
        return annotation.mask
    return masks.draw([outline(annotation)], size.height, size.width)


def of_boxes(first: Annotation, second: Annotation, size: Size) -> float:
    """Return the similarity of two boxes."""
    if first.attributes.get("rotation", 0) == second.attributes.get("rotation", 0):
        return box_overlap(first.points, second.points)
    return masks.overlap(pixels(first, size), pixels(second, size))


# -- points


def covering(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that contains all boxes."""
    corners = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    if not corners:
        return NOWHERE
    left, top = min(corner[0] for corner in corners), min(corner[1] for corner in corners)
    return left, top, max(corner[2] for corner in corners) - left, max(corner[3] for corner in corners) - top


def _mean(first: Box, second: Box) -> Box:
    x, y, width, height = ((a + b) / 2 for a, b in zip(first, second, strict=True))
    return x, y, width, height


def _are_apart(first: Box, second: Box) -> bool:
    corners = ([x, y, x + width, y + height] for x, y, width, height in (first, second))
    return box_overlap(*corners) <= 0


Seen = tuple[Sequence[bool], Sequence[bool]]
"""Which points of two shapes are visible; nothing means all."""


def key_points(first: np.ndarray, second: np.ndarray, sigma: float, scale: float, seen: Seen = ((), ())) -> float:
    """Return COCO's object keypoint similarity of rows of points. scale: an area."""
    if len(first) != len(second):
        return 0.0
    a, b = (np.asarray(flags or [True] * len(first), dtype=bool) for flags in seen)
    distances = ((first - second) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        close = np.exp(-distances / (2 * scale * (2 * sigma) ** 2))
        return float(np.sum((a & b) * close) / np.sum(a | b))


def of_points(first: Annotation, second: Annotation, sigma: float, scale: float, threshold: float) -> float:
    """Return the similarity of two groups of points in any order."""
    a, b = (np.reshape(annotation.points, (-1, 2)) for annotation in (first, second))

    def measure(i: int, j: int) -> float:
        return key_points(a[[i]], b[[j]], sigma, scale)

    found = match(range(len(a)), range(len(b)), measure, threshold, lambda _i, _j: True)
    rows, columns = [i for i, _ in found.matched], [j for _, j in found.matched]
    close = np.exp(-((a[rows] - b[columns]) ** 2).sum(axis=1) / (2 * scale * (2 * sigma) ** 2))
    return float(close.sum() / (len(found.matched) + len(found.first_only) + len(found.second_only)))


class Points(NamedTuple):
    """How points are compared: COCO's sigma, the least similarity, and whether an object is as large as its image."""

    sigma: float
    threshold: float
    in_image: bool = False


def of_point_groups(first: tuple[Annotation, Box], second: tuple[Annotation, Box], size: Size, how: Points) -> float:
    """Return the similarity of two annotations with points, each with the box of its group."""
    (a, a_box), (b, b_box) = first, second
    if not a_box[2] * a_box[3] and not b_box[2] * b_box[3]:
        return key_points(np.reshape(a.points, (-1, 2)), np.reshape(b.points, (-1, 2)), how.sigma, size.area)
    if how.in_image:
        return of_points(a, b, how.sigma, size.area, how.threshold)
    if _are_apart(a_box, b_box):
        return 0.0
    box = _mean(a_box, b_box)
    return of_points(a, b, how.sigma, box[2] * box[3], how.threshold)


def of_skeletons(
    first: tuple[Annotation, Box], second: tuple[Annotation, Box], sublabels: Sequence[int], sigma: float
) -> float:
    """Return the similarity of two skeletons, each with the box of its group. sublabels: those of their label."""
    if _are_apart(first[1], second[1]):
        return 0.0
    box = _mean(first[1], second[1])
    (a, a_seen), (b, b_seen) = (_joints(annotation, sublabels) for annotation, _ in (first, second))
    if not any(a_seen) and not any(b_seen):
        return 0.0
    return key_points(a, b, sigma, box[2] * box[3], (a_seen, b_seen))


def _joints(skeleton: Annotation, sublabels: Sequence[int]) -> tuple[np.ndarray, list[bool]]:
    """Return the points of a skeleton in the order of the sublabels, and which of them are visible."""
    known = {element.label: element for element in skeleton.elements}
    found = [known.get(label) for label in sublabels]
    points = np.array([[element.x, element.y] if element else [0.0, 0.0] for element in found]).reshape(-1, 2)
    return points, [element is not None and element.visibility == VISIBLE for element in found]


# -- lines


def of_lines(first: Annotation, second: Annotation, size: Size, thickness: float, *, oriented: bool = False) -> float:
    """Return the similarity of two polylines; with `oriented`, of the lines from their first to their last points."""
    a, b = (np.reshape(annotation.points, (-1, 2)) for annotation in (first, second))
    if _lines_are_apart(a, b, size.area * (6 * thickness) ** 2):
        return 0.0
    steps = _common_steps(a, b)
    a_points, b_points = _at(a, steps), _at(b, steps)
    ways = [b_points] if oriented else [b_points, b_points[::-1]]
    return max(_closeness(a_points, way, size.area, thickness) for way in ways)


def _closeness(a: np.ndarray, b: np.ndarray, scale: float, thickness: float) -> float:
    distances = ((a - b) ** 2).sum(axis=1)
    return float(np.exp(-distances / (2 * scale * (2 * thickness) ** 2)).mean())


def _lines_are_apart(a: np.ndarray, b: np.ndarray, margin: float) -> bool:
    """Return whether the circles around two lines are further apart than the square root of a margin."""
    circles = [((line.min(axis=0) + line.max(axis=0)) / 2, ((line.max(axis=0) - line.min(axis=0)) ** 2).sum() / 4)
               for line in (a, b)]  # fmt: skip
    (a_middle, a_square), (b_middle, b_square) = circles
    return bool(((a_middle - b_middle) ** 2).sum() > a_square + b_square + margin)


def _shares(line: np.ndarray) -> np.ndarray:
    """Return how far along a line each of its points is, from 0 to 1."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    shares: np.ndarray = lengths / (lengths[-1] or 1.0)
    return shares


def _common_steps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the places of the points of two lines, each place once."""
    places: np.ndarray = np.sort(np.concatenate([_shares(a), _shares(b)]))
    kept: np.ndarray = places[np.concatenate([[True], np.diff(places) > 1e-7])]
    return kept


def _at(line: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the points of a line at places between 0 and 1."""
    shares = _shares(line)
    return np.stack([np.interp(places, shares, line[:, axis]) for axis in (0, 1)], axis=1)
