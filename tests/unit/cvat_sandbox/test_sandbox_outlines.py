"""Outlines: what the pages of the sandbox draw of annotations with any numbers."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cvat_sandbox.web import outlines
from tests.support.examples import examples
from tests.support.sandbox_client import box

NUMBERS = st.lists(st.floats(width=32) | st.integers(-5, 80).map(float), min_size=1, max_size=20)
KINDS = st.sampled_from(["rectangle", "polygon", "polyline", "points", "cuboid", "ellipse", "mask"])
KEYFRAMES = st.tuples(KINDS, NUMBERS, st.booleans(), st.integers(0, 2**31))


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(KEYFRAMES, min_size=1, max_size=4), KINDS, NUMBERS)
@example([("polygon", [5.0], False, 0), ("polygon", [1.0, 2.0], True, 2**31 - 1)], "rectangle", [float("nan")] * 4)
def test_a_shape_with_any_numbers_does_not_keep_others_from_being_drawn(
    keyframes: list[tuple[str, list[float], bool, int]], kind: str, points: list[float]
) -> None:
    shapes = [
        {"type": kind, "points": numbers, "outside": outside, "frame": frame, "z_order": 0, "occluded": False}
        for kind, numbers, outside, frame in sorted(keyframes, key=lambda key: key[3])
    ]
    good, bad = box(1, 0, (1, 2, 3, 4)), box(1, 0, points, type=kind)
    annotations = {"shapes": [bad, good], "tags": [], "tracks": [{"label_id": 1, "frame": 0, "shapes": shapes}]}
    frames = outlines.overlays(annotations, outlines.palette([{"id": 1, "name": "car"}]), range(100))
    first = [dict(outline.attributes) for outline in frames[0].outlines if outline.tag == "rect"]
    assert {"x": "1", "y": "2", "width": "2", "height": "2"} in first
    text = " ".join(str(outline) for frame in frames for outline in frame.outlines)
    assert not re.search(r"\b(nan|inf)\b", text)


def drawn(*shapes: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    annotations = {"shapes": [{**box(1, 0, (0, 0, 0, 0)), **shape} for shape in shapes], "tags": [], "tracks": []}
    [overlay] = outlines.overlays(annotations, outlines.palette([{"id": 1, "name": "car"}]), range(1))
    return [(outline.tag, dict(outline.attributes)) for outline in overlay.outlines]


def test_a_rotated_shape_is_turned_around_its_middle() -> None:
    ellipse = {"type": "ellipse", "points": [80, 60, 100, 50], "rotation": 45.0}
    assert drawn({"points": [0, 0, 10, 20], "rotation": 30.0}, ellipse) == [
        ("rect", {"x": "0", "y": "0", "width": "10", "height": "20", "transform": "rotate(30 5 10)"}),
        ("ellipse", {"cx": "80", "cy": "60", "rx": "20", "ry": "10", "transform": "rotate(45 80 60)"}),
    ]


def test_the_runs_of_a_mask_are_drawn_row_by_row() -> None:
    assert drawn({"type": "mask", "points": [1, 4, 1, 5, 7, 7, 8]}) == [("path", {"d": "M6,7.5 h2 M5,8.5 h2"})]
    rows = [1, 1] * 600
    assert drawn({"type": "mask", "points": [*rows, 0, 0, 1, 599]})[0][0] == "rect"


def test_instead_of_a_skeleton_its_visible_points_are_drawn() -> None:
    points = [{**box(1, 0, (3, 4)), "type": "points", "outside": outside} for outside in (False, True)]
    assert drawn({"type": "skeleton", "points": [], "elements": points}) == [("g", {})]
