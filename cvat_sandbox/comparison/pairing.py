"""Pairing of the annotations of one frame in two jobs: each kind is matched with its own similarity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from cvat_sandbox.comparison import instances, similarity
from cvat_sandbox.comparison.matching import Matches, Similarity, match
from cvat_sandbox.comparison.reading import Candidate
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.comparison.similarity import Box, Size
from cvat_sandbox.formats import masks

Candidates = Sequence[Candidate]
Sublabels = Callable[[int], list[int]]
"""Returns the positions of the points of a skeleton label."""
TAG_THRESHOLD = 0.5


def have_same_label(first: Candidate, second: Candidate) -> bool:
    """Return whether two annotations have the same label."""
    return first.annotation.label == second.annotation.label


@dataclass(frozen=True)
class Pairing:
    """How the annotations of two jobs on a frame are paired."""

    parameters: Parameters
    size: Size
    sublabels: Sublabels

    def tags(self, first: Candidates, second: Candidates) -> Matches[Candidate]:
        """Return the pairs of tags. Any two tags can be one, but those with the same label are preferred."""
        tags = [[c for c in source if c.annotation.kind == "label"] for source in (first, second)]
        return match(tags[0], tags[1], lambda a, b: 0.5 + have_same_label(a, b) / 2, TAG_THRESHOLD, have_same_label)

    def shapes(self, first: Candidates, second: Candidates) -> Matches[Candidate]:
        """Return the pairs of shapes."""
        found: Matches[Candidate] = Matches()
        for kind in ("bbox", "points", "polyline", "skeleton", "ellipse"):
            a, b = _of_kind(kind, first), _of_kind(kind, second)
            if a or b:
                measure = self.measure(kind, first, second)
                found.add(match(a, b, measure, self.parameters.iou_threshold, have_same_label))
        found.add(self._segments(first, second))
        return found

    def measure(self, kind: str, first: Candidates, second: Candidates) -> Similarity[Candidate]:
        """Return the similarity of two shapes of a kind, for the annotations of a frame."""
        size, how = self.size, self.parameters
        if kind == "points":
            return self._points(_group_boxes(first) | _group_boxes(second))
        if kind == "skeleton":
            return self._skeletons(_group_boxes(first) | _group_boxes(second))
        if kind == "polyline":
            return lambda a, b: similarity.of_lines(a.annotation, b.annotation, size, how.line_thickness)
        if kind == "bbox":
            return lambda a, b: similarity.of_boxes(a.annotation, b.annotation, size)
        drawn = {c: similarity.pixels(c.annotation, size) for c in (*first, *second) if c.annotation.kind == kind}
        return lambda a, b: masks.overlap(drawn[a], drawn[b])

    def _points(self, boxes: dict[Candidate, Box]) -> Similarity[Candidate]:
        how = self.parameters
        points = similarity.Points(how.oks_sigma, how.iou_threshold, how.point_size_base == "image_size")

        def measure(a: Candidate, b: Candidate) -> float:
            pair = (a.annotation, boxes[a]), (b.annotation, boxes[b])
            return similarity.of_point_groups(*pair, self.size, points)

        return measure

    def _skeletons(self, boxes: dict[Candidate, Box]) -> Similarity[Candidate]:
        def measure(a: Candidate, b: Candidate) -> float:
            joints = self.sublabels(a.annotation.label)
            pair = (a.annotation, boxes[a]), (b.annotation, boxes[b])
            return similarity.of_skeletons(*pair, joints, self.parameters.oks_sigma)

        return measure

    def _segments(self, first: Candidates, second: Candidates) -> Matches[Candidate]:
        """Return the pairs of polygons and masks. Those of one group and label are one object."""
        groups = [instances.instances_of(_areas(source)) for source in (first, second)]
        draw = instances.visible if self.parameters.panoptic_comparison else instances.whole
        drawn = [draw(source, self.size) for source in groups]
        numbers, values = [list(range(len(source))) for source in groups], masks.overlaps(drawn[0], drawn[1])
        found = match(numbers[0], numbers[1], lambda a, b: float(values[a, b]), self.parameters.iou_threshold,
                      lambda a, b: have_same_label(groups[0][a][0], groups[1][b][0]))  # fmt: skip
        pairs = [[pair for a, b in part for pair in product(groups[0][a], groups[1][b])]
                 for part in (found.matched, found.mismatched)]  # fmt: skip
        members = {
            (id(a), id(b)): float(values[i, j])
            for i, j in product(*numbers) for a, b in product(groups[0][i], groups[1][j])
        }  # fmt: skip
        return Matches(pairs[0], pairs[1], [c for a in found.first_only for c in groups[0][a]],
                       [c for b in found.second_only for c in groups[1][b]], members)  # fmt: skip


def _areas(candidates: Candidates) -> list[Candidate]:
    return [c for kind in ("polygon", "mask") for c in candidates if c.annotation.kind == kind]


def _of_kind(kind: str, candidates: Candidates) -> list[Candidate]:
    """Return the shapes of a kind. A skeleton without a point on the frame is none."""
    chosen = [candidate for candidate in candidates if candidate.annotation.kind == kind]
    return [c for c in chosen if kind != "skeleton" or any(e.visibility for e in c.annotation.elements)]


def _group_boxes(candidates: Candidates) -> dict[Candidate, Box]:
    """Return the box of the group of each annotation. Tags have none."""
    shapes = [candidate for candidate in candidates if candidate.annotation.kind != "label"]
    return {
        member: similarity.covering(c.annotation.box for c in group)
        for group in instances.groups_of(shapes) for member in group
    }  # fmt: skip
