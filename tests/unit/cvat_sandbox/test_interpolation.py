"""The shapes of tracks of CVAT 2.x between their keyframes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat_sandbox.state.interpolation import interpolated

COORDINATE = st.floats(-500, 500, allow_nan=False).map(lambda value: round(value, 2))
BOX = st.lists(COORDINATE, min_size=4, max_size=4)
OUTLINE = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=8, unique=True).map(
    lambda points: [value for point in points for value in point]
)
FRAMES = st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True).map(sorted)


def key(frame: int, points: list[float], kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    return {"type": kind, "frame": frame, "points": points, "outside": False, "rotation": 0.0, "attributes": [], **more}


def track(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"shapes": list(shapes)}


@given(FRAMES, st.data())
def test_a_track_has_a_shape_on_each_frame_from_its_first_keyframe(frames: list[int], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["rectangle", "polygon", "polyline"]))
    points = BOX if kind == "rectangle" else OUTLINE
    keys = [key(frame, data.draw(points), kind) for frame in frames]
    found = interpolated(track(*keys), 15)
    assert [shape["frame"] for shape in found] == list(range(frames[0], 15))
    assert [shape["frame"] for shape in found if shape["keyframe"]] == frames
    for shape in found:
        same = [k["points"] for k in keys if k["frame"] == shape["frame"]]
        assert not same or same == [shape["points"]]


@given(OUTLINE)
def test_an_outline_that_does_not_move_stays(points: list[float]) -> None:
    found = interpolated(track(key(0, points, "polygon"), key(4, points, "polygon")), 5)
    for shape in found:
        assert shape["points"] == pytest.approx(points)


@given(OUTLINE, OUTLINE, st.sampled_from(["polygon", "polyline"]))
def test_outlines_between_two_stay_within_both(first: list[float], second: list[float], kind: str) -> None:
    for shape in interpolated(track(key(0, first, kind), key(3, second, kind)), 4):
        assert len(shape["points"]) % 2 == 0
        assert min(first + second) - 0.01 <= min(shape["points"])
        assert max(shape["points"]) <= max(first + second) + 0.01


def test_a_box_moves_in_a_line_and_turns_the_shorter_way() -> None:
    keys = key(0, [0, 0, 10, 10], rotation=350.0), key(2, [10, 20, 30, 40], rotation=30.0)
    assert [(s["points"], s["rotation"]) for s in interpolated(track(*keys), 4)] == [
        ([0, 0, 10, 10], 350.0),
        ([5, 10, 20, 25], 10.0),
        ([10, 20, 30, 40], 30.0),
        ([10, 20, 30, 40], 30.0),
    ]


def test_a_track_ends_where_it_is_outside() -> None:
    keys = key(0, [0, 0, 1, 1]), key(2, [0, 0, 1, 1], outside=True), key(5, [0, 0, 1, 1])
    assert [shape["frame"] for shape in interpolated(track(*keys), 7)] == [0, 1, 2, 5, 6]
    assert [shape["frame"] for shape in interpolated(track(*keys), 7, outside=True)] == [0, 1, 2, 3, 4, 5, 6]


def test_a_keyframe_inherits_attributes() -> None:
    first = key(0, [0, 0, 1, 1], attributes=[{"spec_id": 1, "value": "a"}, {"spec_id": 2, "value": "b"}])
    last = key(2, [0, 0, 1, 1], attributes=[{"spec_id": 2, "value": "c"}])
    values = [{a["spec_id"]: a["value"] for a in s["attributes"]} for s in interpolated(track(first, last), 3)]
    assert values == [{1: "a", 2: "b"}, {1: "a", 2: "b"}, {1: "a", 2: "c"}]


def test_keyframes_of_two_types_cannot_be_joined() -> None:
    with pytest.raises(NotImplementedError):
        interpolated(track(key(0, [0, 0, 1, 1]), key(2, [0, 0, 1, 1, 2, 2], "polygon")), 3)
