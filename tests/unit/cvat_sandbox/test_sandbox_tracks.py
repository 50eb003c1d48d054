"""Tracks: interpolation and cutting to the frames of a job."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.state import tracks

RECTANGLES = st.lists(st.integers(-50, 50), min_size=4, max_size=4)


@st.composite
def a_track(draw: st.DrawFn) -> dict:
    frames = draw(st.lists(st.integers(0, 15), min_size=1, max_size=5, unique=True).map(sorted))
    kind = draw(st.sampled_from(["rectangle", "polygon", "points", "polyline"]))
    points = (
        RECTANGLES if kind == "rectangle" else st.lists(st.integers(0, 9), min_size=3, max_size=6).map(lambda v: v * 2)
    )
    shapes = [
        {
            "type": kind,
            "frame": f,
            "points": draw(points),
            "outside": draw(st.booleans()),
            "attributes": [],
            "occluded": False,
            "z_order": 0,
        }
        for f in frames
    ]
    return {"frame": frames[0], "label_id": 1, "group": 0, "attributes": [], "shapes": shapes}


@settings(deadline=None)
@given(a_track())
def test_a_track_has_one_shape_on_each_frame_between_its_keyframes(track: dict[str, Any]) -> None:
    found = tracks.interpolated(track, 16)
    frames = [shape["frame"] for shape in found]
    assert frames == sorted(set(frames))
    assert [s["frame"] for s in found if s["keyframe"]] == [s["frame"] for s in track["shapes"]]
    for shape in found:
        if not shape["keyframe"]:
            before = max((k for k in track["shapes"] if k["frame"] < shape["frame"]), key=lambda k: k["frame"])
            assert not before["outside"]


@settings(deadline=None)
@given(a_track(), st.integers(0, 15), st.integers(0, 6))
def test_a_track_cut_to_frames_has_keyframes_on_these_frames_only(
    track: dict[str, Any], start: int, length: int
) -> None:
    cut = tracks.cut_to_frames({"tags": [], "shapes": [], "tracks": [track]}, start, start + length)
    for part in cut["tracks"]:
        assert part["shapes"]
        assert all(start <= shape["frame"] <= start + length for shape in part["shapes"])
        assert part["frame"] == part["shapes"][0]["frame"]
