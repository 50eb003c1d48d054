"""The report on a job: its frames compared with those of the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from cvat_sandbox.comparison.conflicts import Conflict, find_conflicts
from cvat_sandbox.comparison.matching import Matches
from cvat_sandbox.comparison.pairing import Pairing, ShapeMatches
from cvat_sandbox.comparison.reading import Candidate, Frame, JobAnnotations
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.comparison.tallies import COUNTS, UNMATCHED, Tally, of_matrix
from cvat_sandbox.formats.v2.snapshot import Label


@dataclass
class FrameResult:
    """The result of a frame."""

    conflicts: list[Conflict]
    tally: Tally


@dataclass
class JobResult:
    """The result of a job: its frames that have ground truth."""

    total_frames: int
    frames: dict[int, FrameResult] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    @property
    def conflicts(self) -> list[Conflict]:
        """The conflicts of all frames."""
        return [conflict for frame in self.frames.values() for conflict in frame.conflicts]


def compare(truth: JobAnnotations, checked: JobAnnotations, parameters: Parameters) -> JobResult:
    """Compare a job with the ground truth. Frames are the same when their images are."""
    comparison, own = _Comparison(truth.labels, parameters), checked.by_key
    result = JobResult(checked.length)
    for frame in truth.frames:
        if frame.key in own:
            result.frames[own[frame.key].number] = comparison.frame(frame, own[frame.key])
    result.tally = comparison.total([frame.tally for frame in result.frames.values()])
    return result


class _Comparison:
    """The comparison of the frames of one job."""

    def __init__(self, labels: Sequence[Label], parameters: Parameters) -> None:
        self._labels, self._parameters = labels, parameters
        top = [number for number, label in enumerate(labels) if label.parent_id is None]
        self._names = [*(labels[number].name for number in top), UNMATCHED]
        self._rows = {number: row for row, number in enumerate(top)}

    def frame(self, truth: Frame, checked: Frame) -> FrameResult:
        """Compare a frame."""
        pairing = Pairing(self._parameters, checked.size, self._sublabels)
        shapes, matches = pairing.shapes(truth.candidates, checked.candidates), Matches[Candidate]()
        matches.add(shapes)
        matches.add(pairing.tags(truth.candidates, checked.candidates))
        conflicts = find_conflicts(pairing, truth, checked, matches, shapes)
        tally = of_matrix(self._names, self._matrix(matches))
        tally.shapes, tally.mean_iou = _shape_counts(shapes), _mean_overlap(shapes)
        right, wrong = len(matches.matched), len(matches.mismatched)
        tally.labels = {"valid_count": right, "invalid_count": wrong, "total_count": right + wrong}
        if self._parameters.empty_is_annotated:
            _count_nothing(tally, is_truth_empty=not truth.candidates, is_checked_empty=not checked.candidates)
        return FrameResult(conflicts, tally)

    def total(self, tallies: Sequence[Tally]) -> Tally:
        """Return the tally of a job."""
        result = Tally()
        for tally in tallies:
            result.add(tally)
        empty = np.zeros((len(self._names), len(self._names)), dtype=int)
        matrix = sum((tally.matrix for tally in tallies if tally.matrix is not None), empty)
        counted = of_matrix(self._names, matrix)
        if self._parameters.empty_is_annotated:
            _add_empty_frames(counted, tallies)
        overlaps = [tally.mean_iou for tally in tallies]
        counted.shapes, counted.labels = result.shapes, result.labels
        counted.mean_iou = sum(overlaps) / len(overlaps) if overlaps else 0.0
        return counted

    def _sublabels(self, position: int) -> list[int]:
        parent = self._labels[position].id
        return [number for number, label in enumerate(self._labels) if label.parent_id == parent]

    def _matrix(self, matches: Matches[Candidate]) -> np.ndarray:
        matrix = np.zeros((len(self._names), len(self._names)), dtype=int)
        pairs = chain(
            matches.pairs, ((None, ds) for ds in matches.second_only), ((gt, None) for gt in matches.first_only)
        )
        for gt, ds in pairs:
            matrix[self._row(ds), self._row(gt)] += 1
        return matrix

    def _row(self, candidate: Candidate | None) -> int:
        return self._rows[candidate.annotation.label] if candidate else len(self._names) - 1


def _shape_counts(shapes: ShapeMatches) -> dict[str, int]:
    pairs, missing, extra = len(shapes.pairs), len(shapes.first_only), len(shapes.second_only)
    values = (pairs, missing, extra, pairs + missing + extra, pairs + extra, pairs + missing)
    return dict(zip(COUNTS, values, strict=True))


def _mean_overlap(shapes: ShapeMatches) -> float:
    """Return the mean similarity of pairs, and of each single shape with what is closest to it."""
    closest: dict[Candidate, float] = {}
    for pair, value in shapes.similarity.items():
        for shape in pair:
            closest[shape] = max(closest.get(shape, value), value)
    values = [shapes.similarity[pair] for pair in shapes.pairs]
    values += [closest.get(single, 0.0) for single in (*shapes.first_only, *shapes.second_only)]
    return float(np.mean(values)) if values else 0.0


def _count_nothing(tally: Tally, *, is_truth_empty: bool, is_checked_empty: bool) -> None:
    """Count an empty frame as one annotation: that there is nothing."""
    if not tally.annotations["total_count"]:
        tally.annotations |= {"valid_count": 1, "total_count": 1}
    if is_truth_empty and is_checked_empty:
        tally.shapes |= {"valid_count": 1, "total_count": 1}
        tally.labels |= {"valid_count": 1, "total_count": 1}
    for name, is_empty in (("ds_count", is_checked_empty), ("gt_count", is_truth_empty)):
        if not tally.annotations[name]:
            tally.annotations[name] = 1
        if is_empty:
            tally.shapes[name] = 1


def _add_empty_frames(total: Tally, tallies: Sequence[Tally]) -> None:
    """Count the empty frames of a job. A frame is judged by the halves of its confusion matrix, as in CVAT."""
    matrices = [tally.matrix for tally in tallies if tally.matrix is not None]
    checked = {number for number, matrix in enumerate(matrices) if not np.triu(matrix).any()}
    truth = {number for number, matrix in enumerate(matrices) if not np.tril(matrix).any()}
    more = {"valid_count": checked & truth, "total_count": checked | truth, "ds_count": checked, "gt_count": truth}
    for name, frames in more.items():
        total.annotations[name] += len(frames)
