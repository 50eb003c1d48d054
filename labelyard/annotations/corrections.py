"""What people made of a model's predictions: kept, moved, changed, removed, added, by class.

predicted = kept + moved + changed + removed, by the predicted label;
drawn = kept + moved + changed + added.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.outlines import extent

SAME_PLACE = 0.05
"""Pixels: coordinates that differ by less are equal, because servers and browsers round."""
LEAST_IOU = 0.5
"""The overlap from which an object with another id counts as what became of a prediction."""

Box = tuple[float, float, float, float]


class Correction(StrEnum):
    """What a person did with a prediction, or without one.

    kept: it is as predicted. moved: its outline differs. changed: its label or an attribute differs, and perhaps its
    outline. removed: nothing of it is left. added: no prediction was there.
    """

    KEPT = "kept"
    MOVED = "moved"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Corrections:
    """Counts by label and correction: of an added object the label that a person gave it, else the predicted one."""

    counts: Counter[tuple[str, Correction]]

    def total(self, correction: Correction) -> int:
        """Return how many there are, of all labels."""
        return sum(count for (_, one), count in self.counts.items() if one is correction)

    def document(self) -> dict[str, Any]:
        """Return the counts as JSON values: in all, and by label."""
        labels = sorted({label for label, _ in self.counts})
        return {
            "total": {one.value: self.total(one) for one in Correction},
            "by_class": {label: {one.value: self.counts[label, one] for one in Correction} for label in labels},
        }


def compare_with_predictions(predicted: Sequence[FrameObject], drawn: Sequence[FrameObject]) -> Corrections:
    """Compare what was imported with what is drawn at the end.

    An object with the id (`origin`) of a prediction on its frame is what became of it; of the others, the one of the
    same frame that overlaps it most, first among those with its label.
    """
    pairs = list(_by_id(predicted, drawn))
    taken = ({index for index, _ in pairs}, {index for _, index in pairs})
    rest = [
        [(index, one) for index, one in enumerate(objects) if index not in used]
        for objects, used in zip((predicted, drawn), taken, strict=True)
    ]
    pairs += _by_overlap(*rest)
    found, used = {index for index, _ in pairs}, {index for _, index in pairs}
    counts = Counter((predicted[old].label, _correction(predicted[old], drawn[new])) for old, new in pairs)
    counts.update((one.label, Correction.REMOVED) for index, one in enumerate(predicted) if index not in found)
    counts.update((one.label, Correction.ADDED) for index, one in enumerate(drawn) if index not in used)
    return Corrections(counts)


def _by_id(predicted: Iterable[FrameObject], drawn: Iterable[FrameObject]) -> Iterator[tuple[int, int]]:
    known = {(one.frame, one.origin): index for index, one in enumerate(drawn) if one.origin and one.track is None}
    for index, one in enumerate(predicted):
        if one.origin and (found := known.pop((one.frame, one.origin), None)) is not None:
            yield index, found


def _by_overlap(
    predicted: Iterable[tuple[int, FrameObject]], drawn: Iterable[tuple[int, FrameObject]]
) -> Iterator[tuple[int, int]]:
    by_frame: dict[int, list[tuple[int, FrameObject, Box]]] = defaultdict(list)
    for new, other in drawn:
        if (box := _box(other)) is not None:
            by_frame[other.frame].append((new, other, box))
    candidates = []
    for old, one in predicted:
        if (box := _box(one)) is None:
            continue
        for new, other, other_box in by_frame[one.frame]:
            if (overlap := iou(box, other_box)) >= LEAST_IOU:
                candidates.append((one.label != other.label, -overlap, old, new))
    old_used, new_used = set(), set()
    for _, _, old, new in sorted(candidates):
        if old not in old_used and new not in new_used:
            old_used.add(old)
            new_used.add(new)
            yield old, new


def _correction(old: FrameObject, new: FrameObject) -> Correction:
    if old.label != new.label or dict(old.attributes) != dict(new.attributes):
        return Correction.CHANGED
    return Correction.KEPT if _in_same_place(old, new) else Correction.MOVED


def _in_same_place(old: FrameObject, new: FrameObject) -> bool:
    if old.kind is not new.kind or abs(old.rotation - new.rotation) > SAME_PLACE:
        return False
    return _are_close(old.points, new.points) and _are_close(_keypoints(old), _keypoints(new))


def _keypoints(one: FrameObject) -> list[float]:
    points = sorted(one.keypoints, key=lambda point: point.name)
    return [value for point in points for value in (point.x, point.y, float(point.outside))]


def _are_close(old: Sequence[float], new: Sequence[float]) -> bool:
    return len(old) == len(new) and all(abs(a - b) <= SAME_PLACE for a, b in zip(old, new, strict=True))


def _box(one: FrameObject) -> Box | None:
    """Return left, top, right and bottom of an object; None for one without an extent. A rotation is left aside."""
    if one.kind is Kind.MASK and len(one.points) > 4:
        left, top, right, bottom = one.points[-4:]
        return left, top, right + 1, bottom + 1
    if one.kind is Kind.ELLIPSE and len(one.points) == 4:
        x, y, right, top = one.points
        return x - abs(right - x), y - abs(y - top), x + abs(right - x), y + abs(y - top)
    points = [value for point in one.keypoints for value in (point.x, point.y)] or list(one.points)
    return extent(points) if len(points) >= 4 and len(points) % 2 == 0 else None


def iou(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union; 1 for equal boxes without an area."""
    if one == other:
        return 1.0
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    union = _area(one) + _area(other) - common
    return common / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
