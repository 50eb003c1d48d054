"""Instances: annotations of one group and label count as one object when areas are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from cvat_sandbox.comparison.reading import Candidate
from cvat_sandbox.comparison.similarity import Size, pixels, unrotated
from cvat_sandbox.formats import masks

Group = list[Candidate]


def groups_of(candidates: Sequence[Candidate]) -> list[Group]:
    """Return those without a group one by one, then each group."""
    found: list[Group] = []
    by_group = sorted(candidates, key=lambda candidate: candidate.annotation.group)
    for number, members in groupby(by_group, lambda candidate: candidate.annotation.group):
        group = list(members)
        found += [group] if number else [[member] for member in group]
    return found


def instances_of(candidates: Sequence[Candidate]) -> list[Group]:
    """Return the groups, divided by label."""
    found: list[Group] = []
    for group in groups_of(candidates):
        by_label = sorted(group, key=lambda candidate: candidate.annotation.label)
        found += [list(members) for _, members in groupby(by_label, lambda candidate: candidate.annotation.label)]
    return found


def whole(instances: Sequence[Group], size: Size) -> list[masks.Mask]:
    """Return the pixels of each instance."""
    return [masks.united([pixels(member.annotation, size) for member in instance]) for instance in instances]


def visible(instances: Sequence[Group], size: Size) -> list[masks.Mask]:
    """Return the pixels of each instance that none of the others covers. Of one z_order the last is on top."""
    layers = [_Layer(number, member, size) for number, instance in enumerate(instances) for member in instance]
    layers.sort(key=lambda layer: layer.z_order)
    seen: list[list[masks.Mask]] = [[] for _ in instances]
    for index, layer in enumerate(layers):
        above = [other.mask for other in layers[index + 1 :] if other.number != layer.number and layer.touches(other)]
        seen[layer.number].append(masks.without(layer.mask, masks.united(above)) if above else layer.mask)
    return [masks.united(parts) for parts in seen]


class _Layer:
    """A shape on an image. number: that of its instance."""

    def __init__(self, number: int, member: Candidate, size: Size) -> None:
        self.number, self.z_order = number, member.annotation.z_order
        self.mask = pixels(member.annotation, size)
        left, top, width, height = masks.box(self.mask)
        self._left, self._top, self._right, self._bottom = left, top, left + width, top + height

    def touches(self, other: _Layer) -> bool:
        """Return whether the boxes of two shapes have a common part."""
        beside = self._right <= other._left or other._right <= self._left
        return not (beside or self._bottom <= other._top or other._bottom <= self._top)


def covered(candidates: Sequence[Candidate], size: Size, visibility: float) -> list[Candidate]:
    """Return the shapes of which less than a share is visible under those above them. Rotations do not count."""
    with_areas = [c for c in candidates if c.annotation.kind in {"bbox", "ellipse", "polygon", "mask"}]
    areas = sorted(with_areas, key=lambda candidate: candidate.annotation.z_order)
    found: list[Candidate] = []
    above: list[masks.Mask] = []
    for candidate in reversed(areas):
        mask = unturned(candidate, size)
        hidden = masks.area(masks.shared([*above, mask])) if above else 0
        if hidden and 1 - hidden / masks.area(mask) < visibility:
            found.append(candidate)
        above = [masks.united([*above, mask])]
    return found[::-1]


def unturned(candidate: Candidate, size: Size) -> masks.Mask:
    """Return the pixels of a shape without its rotation."""
    annotation = candidate.annotation
    if annotation.mask is not None:
        return annotation.mask
    points = annotation.points if annotation.kind == "polygon" else unrotated(annotation)
    return masks.draw([points], size.height, size.width)
