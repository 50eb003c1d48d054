"""The similarity of two shapes of one kind: intersection over union of areas, key point similarity of points.

Areas are compared as pixels on the image, as CVAT does, but for two boxes of the same rotation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cvat_sandbox.comparison.matching import match
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.v2.dataset import VISIBLE, Annotation

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


def of_boxes(first: Sequence[Annotation], second: Sequence[Annotation], size: Size) -> np.ndarray:
    """Return the similarities of boxes: a row for each of the first, a column for each of the second."""
    found = box_overlaps([a.points for a in first], [b.points for b in second])
    turned = np.not_equal.outer(*([a.attributes.get("rotation", 0) for a in source] for source in (first, second)))
    return np.where(turned, of_areas(first, second, size), found) if turned.any() else found


def of_areas(first: Sequence[Annotation], second: Sequence[Annotation], size: Size) -> np.ndarray:
    """Return the similarities of ellipses, polygons or masks."""
    return masks.overlaps([pixels(a, size) for a in first], [pixels(b, size) for b in second])


def box_overlaps(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the intersections over unions of boxes; each may name any two opposite corners."""
    a, b = (np.sort(np.reshape(boxes, (-1, 2, 2)).astype(float), axis=1) for boxes in (first, second))
    low, high = np.maximum(a[:, None, 0], b[None, :, 0]), np.minimum(a[:, None, 1], b[None, :, 1])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.add.outer(*(np.prod(boxes[:, 1] - boxes[:, 0], axis=1) for boxes in (a, b))) - common
    found: np.ndarray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return found


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


def _are_apart(first: Sequence[Box], second: Sequence[Box]) -> np.ndarray:
    """Return which boxes have no common area."""
    corners = ([(x, y, x + width, y + height) for x, y, width, height in boxes] for boxes in (first, second))
    return box_overlaps(*corners) <= 0


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


def _of_point_sets(first: np.ndarray, second: np.ndarray, sigma: float, scale: float, threshold: float) -> float:
    """Return the similarity of two groups of points in any order."""
    distances = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    close = np.exp(-distances / (2 * scale * (2 * sigma) ** 2))
    found = match(range(len(first)), range(len(second)), close, threshold, lambda _i, _j: True)
    total = sum(close[i, j] for i, j in found.matched)
    return float(total / (len(found.matched) + len(found.first_only) + len(found.second_only)))


class Points(NamedTuple):
    """How points are compared: COCO's sigma, the least similarity, and whether an object is as large as its image."""

    sigma: float
    threshold: float
    in_image: bool = False


Boxed = Sequence[tuple[Annotation, Box]]
"""Shapes, each with the box of its group."""


def _filled(first: Boxed, second: Boxed, apart: np.ndarray, measure: Callable[[int, int], float]) -> np.ndarray:
    """Return a matrix of what `measure` returns for two positions, 0 where the shapes are apart."""
    found = np.zeros((len(first), len(second)))
    for row, column in np.argwhere(~apart):
        found[row, column] = measure(int(row), int(column))
    return found


def of_point_groups(first: Boxed, second: Boxed, size: Size, how: Points) -> np.ndarray:
    """Return the similarities of annotations with points."""
    points = [[np.reshape(annotation.points, (-1, 2)) for annotation, _ in source] for source in (first, second)]
    boxes = [[box for _, box in source] for source in (first, second)]
    single = np.logical_and.outer(*([not box[2] * box[3] for box in source] for source in boxes))
    apart = np.zeros_like(single) if how.in_image else _are_apart(*boxes)

    def measure(row: int, column: int) -> float:
        a, b = points[0][row], points[1][column]
        if single[row, column]:
            return key_points(a, b, how.sigma, size.area)
        _, _, width, height = _mean(boxes[0][row], boxes[1][column])
        return _of_point_sets(a, b, how.sigma, size.area if how.in_image else width * height, how.threshold)

    return _filled(first, second, apart & ~single, measure)


def of_skeletons(first: Boxed, second: Boxed, sublabels: Callable[[int], Sequence[int]], sigma: float) -> np.ndarray:
    """Return the similarities of skeletons. sublabels: returns those of a label."""
    joints = [[_joints(a, sublabels(a.label)) for a, _ in source] for source in (first, second)]
    boxes = [[box for _, box in source] for source in (first, second)]

    def measure(row: int, column: int) -> float:
        (a, a_seen), (b, b_seen) = joints[0][row], joints[1][column]
        if not any(a_seen) and not any(b_seen):
            return 0.0
        _, _, width, height = _mean(boxes[0][row], boxes[1][column])
        return key_points(a, b, sigma, width * height, (a_seen, b_seen))

    return _filled(first, second, _are_apart(*boxes), measure)


def _joints(skeleton: Annotation, sublabels: Sequence[int]) -> tuple[np.ndarray, list[bool]]:
    """Return the points of a skeleton in the order of the sublabels, and which of them are visible."""
    known = {element.label: element for element in skeleton.elements}
    found = [known.get(label) for label in sublabels]
    points = np.array([[element.x, element.y] if element else [0.0, 0.0] for element in found]).reshape(-1, 2)
    return points, [element is not None and element.visibility == VISIBLE for element in found]


# -- lines


def of_lines(first: Sequence[Annotation], second: Sequence[Annotation], size: Size, thickness: float) -> np.ndarray:
    """Return the similarities of polylines in either direction."""
    lines = [[np.reshape(annotation.points, (-1, 2)) for annotation in source] for source in (first, second)]
    found = np.zeros((len(first), len(second)))
    for row, column in np.argwhere(~_lines_are_apart(lines[0], lines[1], size.area * (6 * thickness) ** 2)):
        a, b = lines[0][row], lines[1][column]
        found[row, column] = max(_of_two_lines(a, b, size, thickness), _of_two_lines(a, b, size, thickness, turn=True))
    return found


def of_directed_lines(first: Annotation, second: Annotation, size: Size, thickness: float) -> float:
    """Return the similarity of two polylines from their first to their last points."""
    a, b = (np.reshape(annotation.points, (-1, 2)) for annotation in (first, second))
    return _of_two_lines(a, b, size, thickness)


def _of_two_lines(a: np.ndarray, b: np.ndarray, size: Size, thickness: float, *, turn: bool = False) -> float:
    steps = _common_steps(a, b)
    there = _at(b, steps)
    return _closeness(_at(a, steps), there[::-1] if turn else there, size.area, thickness)


def _closeness(a: np.ndarray, b: np.ndarray, scale: float, thickness: float) -> float:
    distances = ((a - b) ** 2).sum(axis=1)
    return float(np.exp(-distances / (2 * scale * (2 * thickness) ** 2)).mean())


def _lines_are_apart(first: Sequence[np.ndarray], second: Sequence[np.ndarray], margin: float) -> np.ndarray:
    """Return which circles around lines are further apart than the square root of a margin."""
    ends = [[np.stack([line.min(axis=0), line.max(axis=0)]) for line in lines] for lines in (first, second)]
    a, b = (np.reshape(lines, (-1, 2, 2)) for lines in ends)
    between = ((a.mean(axis=1)[:, None] - b.mean(axis=1)[None]) ** 2).sum(axis=2)
    radii = np.add.outer(*(((lines[:, 1] - lines[:, 0]) ** 2).sum(axis=1) / 4 for lines in (a, b)))
    return np.asarray(between > radii + margin)


def _shares(line: np.ndarray) -> np.ndarray:
    """Return how far along a line each of its points is, from 0 to 1."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    shares: np.ndarray = lengths / (lengths[-1] or 1.0)
    return shares


def _common_steps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the positions of the points of two lines, each position once."""
    positions: np.ndarray = np.sort(np.concatenate([_shares(a), _shares(b)]))
    kept: np.ndarray = positions[np.concatenate([[True], np.diff(positions) > 1e-7])]
    return kept


def _at(line: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the points of a line at positions between 0 and 1."""
    shares = _shares(line)
    return np.stack([np.interp(positions, shares, line[:, axis]) for axis in (0, 1)], axis=1)
