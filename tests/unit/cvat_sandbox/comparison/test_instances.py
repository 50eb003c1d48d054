"""Instances: which pixels of a shape are visible under those above it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.comparison.instances import covered, groups_of, instances_of, visible
from cvat_sandbox.comparison.reading import Candidate
from cvat_sandbox.comparison.similarity import Size, pixels
from cvat_sandbox.formats import masks
from cvat_sandbox.formats.v2.dataset import Annotation

SIZE = Size(20, 16)


@st.composite
def squares(draw: st.DrawFn) -> list[Candidate]:
    def square() -> Candidate:
        x, y, side = draw(st.integers(0, 12)), draw(st.integers(0, 10)), draw(st.integers(2, 8))
        points = [float(value) for value in (x, y, x + side, y, x + side, y + side, x, y + side)]
        label, group, z_order = draw(st.integers(0, 1)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
        return Candidate(Annotation("polygon", label, {}, group, z_order, points), 1)

    return [square() for _ in range(draw(st.integers(0, 6)))]


@settings(deadline=None)
@given(squares())
def test_what_is_visible_is_what_painting_from_below_leaves(candidates: list[Candidate]) -> None:
    instances = instances_of(candidates)
    canvas = np.zeros((SIZE.height, SIZE.width), dtype=int)
    numbered = [(number, member) for number, instance in enumerate(instances, 1) for member in instance]
    for number, member in sorted(numbered, key=lambda pair: pair[1].annotation.z_order):
        canvas[masks.decode(pixels(member.annotation, SIZE)) > 0] = number
    for number, mask in enumerate(visible(instances, SIZE), 1):
        assert (masks.decode(mask) == (canvas == number)).all()


@settings(deadline=None)
@given(squares())
def test_each_shape_is_in_one_instance_of_one_group_and_label(candidates: list[Candidate]) -> None:
    for divide in (groups_of, instances_of):
        found = divide(candidates)
        assert sorted(id(member) for part in found for member in part) == sorted(map(id, candidates))
        assert all(len(part) == 1 or part[0].annotation.group for part in found)
    assert all(len({(m.annotation.group, m.annotation.label) for m in part}) == 1 for part in instances_of(candidates))


@settings(deadline=None)
@given(squares())
def test_the_topmost_shape_is_never_covered(candidates: list[Candidate]) -> None:
    order = sorted(candidates, key=lambda candidate: candidate.annotation.z_order)
    found = covered(candidates, SIZE, 0.05)
    assert not order or order[-1] not in found
    for candidate in found:
        above = [pixels(other.annotation, SIZE) for other in order[order.index(candidate) + 1 :]]
        left = masks.area(masks.without(pixels(candidate.annotation, SIZE), masks.united(above)))
        assert left < 0.05 * masks.area(pixels(candidate.annotation, SIZE))
