"""Pairing of the annotations of one frame in two jobs: each kind is matched with its own similarity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from cvat_sandbox.comparison import instances, similarity
from cvat_sandbox.comparison.matching import Matches, match
from cvat_sandbox.comparison.reading import Candidate
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.comparison.similarity import Boxed, Size
from cvat_sandbox.formats import masks

Candidates = Sequence[Candidate]
Sublabels = Callable[[int], list[int]]
"""Returns the positions of the points of a skeleton label."""
TAG_THRESHOLD = 0.5


def have_same_label(first: Candidate, second: Candidate) -> bool:
    """Return whether two annotations have the same label."""
    return first.annotation.label == second.annotation.label


@dataclass
class ShapeMatches(Matches[Candidate]):
    """The pairs of shapes, with all similarities that are not 0."""

    similarity: dict[tuple[Candidate, Candidate], float] = field(default_factory=dict)

    def keep(self, first: Candidates, second: Candidates, values: np.ndarray) -> None:
        """Remember similarities."""
        for row, column in np.argwhere(np.nan_to_num(values) > 0):
            self.similarity[first[row], second[column]] = float(values[row, column])


@dataclass(frozen=True)
class Pairing:
    """How the annotations of two jobs on a frame are paired."""

    parameters: Parameters
    size: Size
    sublabels: Sublabels

    def tags(self, first: Candidates, second: Candidates) -> Matches[Candidate]:
        """Return the pairs of tags. Any two tags can be one, but those with the same label are preferred."""
        a, b = of_kind("label", first), of_kind("label", second)
        labels = ([tag.annotation.label for tag in source] for source in (a, b))
        return match(a, b, 0.5 + np.equal.outer(*labels) / 2, TAG_THRESHOLD, have_same_label)

    def shapes(self, first: Candidates, second: Candidates) -> ShapeMatches:
        """Return the pairs of shapes."""
        found = ShapeMatches()
        for kind in ("bbox", "points", "polyline", "skeleton", "ellipse"):
            a, b = of_kind(kind, first), of_kind(kind, second)
            if a or b:
                values = self.similarities(kind, (a, b), (first, second))
                found.add(match(a, b, values, self.parameters.iou_threshold, have_same_label))
                found.keep(a, b, values)
        self._add_segments(found, first, second)
        return found

    def similarities(
        self, kind: str, chosen: tuple[Candidates, Candidates], every: tuple[Candidates, Candidates]
    ) -> np.ndarray:
        """Return the similarities of the shapes of a kind. every: all annotations of the frame, for their groups."""
        size, how = self.size, self.parameters
        a, b = ([candidate.annotation for candidate in source] for source in chosen)
        if kind == "bbox":
            return similarity.of_boxes(a, b, size)
        if kind == "polyline":
            return similarity.of_lines(a, b, size, how.line_thickness)
        if kind not in {"points", "skeleton"}:
            return similarity.of_areas(a, b, size)
        boxed = [_boxed(source, whole) for source, whole in zip(chosen, every, strict=True)]
        if kind == "skeleton":
            return similarity.of_skeletons(boxed[0], boxed[1], self.sublabels, how.oks_sigma)
        points = similarity.Points(how.oks_sigma, how.iou_threshold, how.point_size_base == "image_size")
        return similarity.of_point_groups(boxed[0], boxed[1], size, points)

    def _add_segments(self, found: ShapeMatches, first: Candidates, second: Candidates) -> None:
        """Add the pairs of polygons and masks. Those of one group and label are one object."""
        a, b = (instances.instances_of(of_kind("polygon", s) + of_kind("mask", s)) for s in (first, second))
        draw = instances.visible if self.parameters.panoptic_comparison else instances.whole
        values, numbers = masks.overlaps(draw(a, self.size), draw(b, self.size)), (range(len(a)), range(len(b)))
        pairs = match(*numbers, values, self.parameters.iou_threshold, lambda i, j: have_same_label(a[i][0], b[j][0]))
        found.matched += [pair for i, j in pairs.matched for pair in product(a[i], b[j])]
        found.mismatched += [pair for i, j in pairs.mismatched for pair in product(a[i], b[j])]
        found.first_only += [member for i in pairs.first_only for member in a[i]]
        found.second_only += [member for j in pairs.second_only for member in b[j]]
        for i, j in np.argwhere(values > 0):
            found.similarity |= dict.fromkeys(product(a[i], b[j]), float(values[i, j]))


def of_kind(kind: str, candidates: Candidates) -> list[Candidate]:
    """Return the annotations of a kind. A skeleton without a point on the frame is none."""
    chosen = [candidate for candidate in candidates if candidate.annotation.kind == kind]
    return [c for c in chosen if kind != "skeleton" or any(e.visibility for e in c.annotation.elements)]


def _boxed(chosen: Candidates, every: Candidates) -> Boxed:
    """Return shapes, each with the box of its group. Tags have none."""
    shapes = [candidate for candidate in every if candidate.annotation.kind != "label"]
    boxes = {
        member: similarity.covering(c.annotation.box for c in group)
        for group in instances.groups_of(shapes) for member in group
    }  # fmt: skip
    return [(candidate.annotation, boxes[candidate]) for candidate in chosen]
