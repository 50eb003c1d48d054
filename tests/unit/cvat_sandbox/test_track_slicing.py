"""Tracks of 2.x: cut to the frames of jobs, and joined again for the task."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.errors import Crash, InvalidAnnotation
from cvat_sandbox.state import slicing
from cvat_sandbox.state.interpolation import interpolated

LAST = 15
Track = dict[str, Any]


def shape(frame: int, left: float, *, outside: bool = False, kind: str = "rectangle") -> Track:
    points = [left, 0.0, left + 10, 10.0]
    if kind == "polygon":
        points = [left, 0.0, left + 10, 0.0, left + 5, 10.0]
    return {"id": None, "type": kind, "frame": frame, "points": points, "outside": outside, "occluded": False,
            "z_order": 0, "rotation": 0.0, "attributes": []}  # fmt: skip


def track(*shapes: Track, elements: tuple[Track, ...] = ()) -> Track:
    return {"id": None, "label_id": 1, "frame": shapes[0]["frame"], "group": 0, "source": "manual", "attributes": [],
            "shapes": list(shapes), "elements": list(elements)}  # fmt: skip


def annotations(*tracks: Track) -> dict[str, Any]:
    return {"tags": [], "shapes": [], "tracks": list(tracks), "intervals": []}


@st.composite
def a_track(draw: st.DrawFn) -> Track:
    """A track that may end, but does not come back."""
    frames = draw(st.lists(st.integers(0, LAST), min_size=1, max_size=5, unique=True).map(sorted))
    kind = draw(st.sampled_from(["rectangle", "polygon"]))
    shapes = [shape(frame, draw(st.integers(-50, 50)), kind=kind) for frame in frames]
    shapes[-1]["outside"] = len(shapes) > 1 and draw(st.booleans())
    return track(*shapes)


def visible(found: Track, first: int, last: int) -> dict[int, list[float]]:
    """Return the points by frame where a track is not outside."""
    return {
        item["frame"]: [round(value, 6) for value in item["points"]]
        for item in interpolated(found, last + 1) if not item["outside"] and item["frame"] >= first
    }  # fmt: skip


@settings(deadline=None)
@given(a_track(), st.integers(0, LAST), st.integers(0, 8))
def test_a_part_shows_what_the_track_shows_on_the_frames_of_the_job(whole: Track, start: int, length: int) -> None:
    stop = start + length
    parts = slicing.slice_annotations(annotations(whole), start, stop)["tracks"]
    expected = visible(whole, start, stop)
    assert len(parts) <= 1
    for part in parts:
        assert all(start <= item["frame"] <= stop for item in part["shapes"])
        assert part["frame"] == part["shapes"][0]["frame"]
        assert not any("keyframe" in item for item in part["shapes"])
    assert {frame: points for part in parts for frame, points in visible(part, start, stop).items()} == expected


@settings(deadline=None)
@given(a_track(), st.integers(2, 8), st.integers(1, 3))
def test_the_parts_of_a_task_are_joined_to_what_the_track_showed(whole: Track, length: int, overlap: int) -> None:
    overlap = min(overlap, length // 2)
    joined: dict[str, Any] = annotations()
    for start in range(0, LAST + 1 - overlap, length - overlap):
        stop = min(start + length - 1, LAST)
        slicing.merge(joined, slicing.slice_annotations(annotations(whole), start, stop), start, overlap)
    shown = [visible(part, 0, LAST) for part in joined["tracks"]]
    assert {frame: points for part in shown for frame, points in part.items()} == visible(whole, 0, LAST)


def test_a_track_gets_an_interpolated_keyframe_at_each_border() -> None:
    whole = track(shape(0, 10), shape(2, 30), shape(5, 60))
    first, second = (slicing.slice_annotations(annotations(whole), *job)["tracks"][0] for job in ((0, 3), (3, 5)))
    assert [(item["frame"], item["points"][0]) for item in first["shapes"]] == [(0, 10), (2, 30), (3, 40)]
    assert [(item["frame"], item["points"][0]) for item in second["shapes"]] == [(3, 40), (5, 60)]


def test_a_part_forgets_that_a_track_left_before_it_came_back() -> None:
    """CVAT drops keyframes that are outside before the first that is not, also where the track was visible before."""
    whole = track(shape(0, 0), shape(3, 0, outside=True), shape(4, 0))
    part = slicing.slice_annotations(annotations(whole), 2, 4)["tracks"][0]
    assert [(item["frame"], item["outside"]) for item in part["shapes"]] == [(2, False), (4, False)]


def test_a_joined_track_shows_which_keyframes_were_compared() -> None:
    whole = track(shape(0, 10), shape(2, 30), shape(5, 60))
    joined = annotations()
    for start, stop in ((0, 3), (3, 5)):
        slicing.merge(joined, slicing.slice_annotations(annotations(whole), start, stop), start, 1)
    shapes = joined["tracks"][0]["shapes"]
    assert [(item["frame"], item.get("keyframe")) for item in shapes] == [(0, True), (2, True), (3, True), (5, None)]


def test_a_track_ends_where_no_part_of_the_next_job_continues_it() -> None:
    joined = annotations()
    slicing.merge(joined, annotations(track(shape(0, 10), elements=(track(shape(0, 10)),))), 0, 0)
    slicing.merge(joined, annotations(), 4, 0)
    ends = [joined["tracks"][0]["shapes"][-1], joined["tracks"][0]["elements"][0]["shapes"][-1]]
    assert [(end["frame"], end["outside"]) for end in ends] == [(4, True), (4, True)]


def test_a_skeleton_is_where_its_points_are() -> None:
    points = track(shape(0, 10), shape(4, 50))
    skeleton = track({**shape(0, 0, kind="skeleton"), "points": []}, elements=(points,))
    part = slicing.slice_annotations(annotations(skeleton), 2, 3)["tracks"][0]
    assert [item["frame"] for item in part["shapes"]] == [2]
    assert [(item["frame"], item["points"][0]) for item in part["elements"][0]["shapes"]] == [(2, 30), (3, 40)]


def test_two_different_shapes_on_one_frame_crash() -> None:
    twice = track(shape(0, 10), shape(2, 20), shape(2, 30), shape(9, 0))
    with pytest.raises(Crash):
        slicing.slice_annotations(annotations(twice), 1, 3)


def test_an_interval_belongs_to_one_job_alone() -> None:
    data = {**annotations(), "intervals": [{"id": None, "start": 2, "stop": 9}]}
    assert slicing.slice_annotations(data, 0, 8)["intervals"] == data["intervals"]
    with pytest.raises(InvalidAnnotation, match=r"Interval None cannot be sliced to the \[0, 5\] range"):
        slicing.slice_annotations(data, 0, 5)
