"""What a reviewer finds in a photograph, and how its annotator repairs it: boxes compared with the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelyard.annotations.corrections import iou
from labelyard.demo.photographs import Photograph, TrueBox
from labelyard.domain.annotations import Shape, ShapeType
from labelyard.domain.labels import Label

LEAST_OVERLAP = 0.8
"""Intersection over union of a box that is right; a smaller one is loose."""
_SAME_THING = 0.3


@dataclass(frozen=True, slots=True)
class Repair:
    """The boxes to draw, and those that they replace."""

    drawn: tuple[Shape, ...]
    replaced: tuple[Shape, ...]


def flaws(photograph: Photograph, shapes: Sequence[Shape], labels: Sequence[Label]) -> list[TrueBox]:
    """Return the objects of a photograph that have a label, and no box of that label which is right."""
    by_name = {label.name: label.id for label in labels}
    boxes = [shape for shape in shapes if _is_box(shape)]
    return [
        true
        for true in photograph.boxes
        if true.label in by_name
        and not any(box.label_id == by_name[true.label] and _overlap(true, box) >= LEAST_OVERLAP for box in boxes)
    ]


def repair(photograph: Photograph, frame: int, shapes: Sequence[Shape], labels: Sequence[Label]) -> Repair:
    """Return what makes the boxes on a frame right: a box for each flaw, in place of the loose ones there."""
    by_name = {label.name: label.id for label in labels}
    wrong = flaws(photograph, shapes, labels)
    right = [true for true in photograph.boxes if true not in wrong]
    loose = tuple(
        shape
        for shape in shapes
        if _is_box(shape)
        and any(_overlap(true, shape) >= _SAME_THING for true in wrong)
        and not any(_overlap(true, shape) >= LEAST_OVERLAP for true in right)
    )
    drawn = tuple(
        Shape(ShapeType.RECTANGLE, frame, by_name[true.label], (true.left, true.top, true.right, true.bottom))
        for true in wrong
    )
    return Repair(drawn, loose)


def _is_box(shape: Shape) -> bool:
    return shape.type is ShapeType.RECTANGLE and not shape.rotation


def _overlap(true: TrueBox, box: Shape) -> float:
    left, top, right, bottom = box.points
    return iou((true.left, true.top, true.right, true.bottom), (left, top, right, bottom))
