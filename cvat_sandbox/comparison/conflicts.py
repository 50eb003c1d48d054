"""Conflicts: what differs between a frame of a job and the same frame of the ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cvat_sandbox.comparison import instances, similarity
from cvat_sandbox.comparison.matching import Matches, match
from cvat_sandbox.comparison.pairing import Pairing, ShapeMatches
from cvat_sandbox.comparison.reading import Candidate, Frame

Conflict = dict[str, Any]
Pair = tuple[Candidate, Candidate]
"""An annotation of the ground truth and one of the job that is checked."""
ERRORS = ("missing_annotation", "extra_annotation", "mismatching_label")
TYPES = (*ERRORS, "low_overlap", "mismatching_direction", "mismatching_attributes", "mismatching_groups",
         "covered_annotation")  # fmt: skip
NOT_COMPARED = {"track_id", "keyframe", "z_order", "group", "rotation", "outside", "score"}
"""Attributes that say nothing about the object, or that are compared otherwise."""


def severity_of(kind: str) -> str:
    """Return the severity of a type of conflict."""
    return "error" if kind in ERRORS else "warning"


def conflict(kind: str, frame: int, *involved: Candidate) -> Conflict:
    """Return a conflict as a report shows it."""
    return {"frame_id": frame, "type": kind, "annotation_ids": [candidate.identity for candidate in involved],
            "severity": severity_of(kind)}  # fmt: skip


def find_conflicts(
    pairing: Pairing, truth: Frame, checked: Frame, matches: Matches[Candidate], shapes: ShapeMatches
) -> list[Conflict]:
    """Return the conflicts of a frame, in CVAT's order. matches: all pairs. shapes: those of shapes."""
    how, number = pairing.parameters, checked.number
    found = [("low_overlap", ds, gt) for gt, ds in matches.pairs if _is_low(shapes, gt, ds, how.low_overlap_threshold)]
    conflicts = [conflict(*involved[:1], number, *involved[1:]) for involved in found]
    conflicts += [conflict("missing_annotation", number, gt) for gt in matches.first_only]
    conflicts += [conflict("extra_annotation", number, ds) for ds in matches.second_only]
    conflicts += [conflict("mismatching_label", number, ds, gt) for gt, ds in matches.mismatched]
    if how.compare_line_orientation:
        turned = [(gt, ds) for gt, ds in matches.pairs if _is_reversed(pairing, shapes, gt, ds)]
        conflicts += [conflict("mismatching_direction", number, ds, gt) for gt, ds in turned]
    if how.check_covered_annotations:
        covered = instances.covered(checked.candidates, pairing.size, how.object_visibility_threshold)
        conflicts += [conflict("covered_annotation", number, ds) for ds in covered]
    if how.compare_attributes:
        different = [(gt, ds) for gt, ds in matches.matched if _attributes(gt) != _attributes(ds)]
        conflicts += [conflict("mismatching_attributes", number, ds, gt) for gt, ds in different]
    if how.compare_groups:
        separated = separated_pairs(truth.candidates, checked.candidates, shapes.pairs, how.group_match_threshold)
        conflicts += [conflict("mismatching_groups", number, ds, gt) for gt, ds in separated]
    return conflicts


def _is_low(shapes: ShapeMatches, truth: Candidate, checked: Candidate, threshold: float) -> bool:
    return 0 < shapes.similarity.get((truth, checked), 0.0) < threshold


def _is_reversed(pairing: Pairing, shapes: ShapeMatches, truth: Candidate, checked: Candidate) -> bool:
    if truth.annotation.kind != "polyline" or checked.annotation.kind != "polyline":
        return False
    how = pairing.parameters
    lines, either_way = (truth.annotation, checked.annotation), shapes.similarity[truth, checked]
    as_drawn = similarity.of_directed_lines(*lines, pairing.size, how.line_thickness)
    return either_way - as_drawn > how.line_orientation_threshold


def _attributes(candidate: Candidate) -> dict[str, Any]:
    attributes = candidate.annotation.attributes
    return {name: value for name, value in attributes.items() if name not in NOT_COMPARED}


def separated_pairs(
    truth: Sequence[Candidate], checked: Sequence[Candidate], pairs: Sequence[Pair], threshold: float
) -> Iterator[Pair]:
    """Yield the pairs of shapes whose groups are not the same, and those of which only one has a group."""
    groups = [instances.groups_of([c for c in source if c.annotation.kind != "label"]) for source in (truth, checked)]
    group_of = [{member: n for n, group in enumerate(source) for member in group} for source in groups]
    partner = dict(pairs)  # of a group that is one object only the last pair counts, as in CVAT
    common = np.zeros((len(groups[0]), len(groups[1])))
    for gt, ds in partner.items():
        common[group_of[0][gt], group_of[1][ds]] += 1
    whole = np.add.outer(*([len(group) for group in source] for source in groups))
    numbers = [range(len(source)) for source in groups]
    found = match(numbers[0], numbers[1], common / np.maximum(whole - common, 1), threshold, lambda _gt, _ds: True)
    same = {ds: gt for gt, ds in found.matched}
    for gt, ds in pairs:
        only_one = len(groups[0][group_of[0][gt]]) == 1 and len(groups[1][group_of[1][ds]]) != 1
        if only_one or same.get(group_of[1][ds]) != group_of[0][gt]:
            yield gt, ds
