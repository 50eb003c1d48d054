"""Outlines: what the pages of the sandbox draw of annotations with any numbers."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cvat_sandbox.web import outlines
from tests.support.sandbox_client import box

NUMBERS = st.lists(st.floats(width=32) | st.integers(-5, 80).map(float), min_size=1, max_size=20)
KINDS = st.sampled_from(["rectangle", "polygon", "polyline", "points", "cuboid"])
KEYFRAMES = st.tuples(KINDS, NUMBERS, st.booleans(), st.integers(0, 2**31))


@settings(max_examples=150, deadline=None)
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
