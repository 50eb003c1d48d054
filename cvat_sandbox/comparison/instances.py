"""Instances: annotations of one group and label count as one object when areas are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

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
    """Return the pixels of each instance that nothing with a higher z_order covers."""
    canvas = np.zeros((size.height, size.width), dtype=np.int32)
    numbered = [(number, member) for number, instance in enumerate(instances, 1) for member in instance]
    for number, member in sorted(numbered, key=lambda pair: pair[1].annotation.z_order):
        canvas[masks.decode(pixels(member.annotation, size)) > 0] = number
    return [masks.encode(canvas == number) for number in range(1, len(instances) + 1)]


def covered(candidates: Sequence[Candidate], size: Size, visibility: float) -> list[Candidate]:
    """Return the shapes of which less than a share is visible under those above them. Rotations do not count."""
    with_areas = [c for c in candidates if c.annotation.kind in {"bbox", "ellipse", "polygon", "mask"}]
    areas = sorted(with_areas, key=lambda candidate: candidate.annotation.z_order)
    drawn = [unturned(candidate, size) for candidate in areas]
    found = []
    for number, mask in enumerate(drawn[:-1]):
        hidden = masks.area(masks.shared([masks.united(drawn[number + 1 :]), mask]))
        if hidden and 1 - hidden / (masks.area(mask) or 1) < visibility:
            found.append(areas[number])
    return found


def unturned(candidate: Candidate, size: Size) -> masks.Mask:
    """Return the pixels of a shape without its rotation."""
    annotation = candidate.annotation
    if annotation.mask is not None:
        return annotation.mask
    points = annotation.points if annotation.kind == "polygon" else unrotated(annotation)
    return masks.draw([points], size.height, size.width)
