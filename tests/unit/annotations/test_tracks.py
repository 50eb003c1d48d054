"""Tracks on frames: what moves in a straight line is computed, and what CVAT resamples is marked."""

from __future__ import annotations

import pytest

from labelyard.annotations.tracks import TrackFrame, track_frames
from labelyard.domain.annotations import AttributeValue, Interpolation, ShapeType, Track, TrackedShape

V1, V2 = Interpolation.V1, Interpolation.V2
BOX = (0.0, 0.0, 10.0, 10.0)
MOVED = (20.0, 0.0, 30.0, 10.0)
TRIANGLE = (0.0, 0.0, 9.0, 0.0, 0.0, 9.0)


def track(*keys: TrackedShape) -> Track:
    return Track(keys[0].frame, 1, keys)


def key(
    frame: int, points: tuple[float, ...] = BOX, kind: ShapeType = ShapeType.RECTANGLE, **fields: object
) -> TrackedShape:
    return TrackedShape(kind, frame, points, **fields)  # type: ignore[arg-type]


def frames(found: Track, rules: Interpolation = V2, size: int = 5) -> dict[int, TrackFrame]:
    return {one.shape.frame: one for one in track_frames(found, size, rules)}


def test_a_box_moves_in_a_straight_line_and_stays_after_its_last_key_frame() -> None:
    found = frames(track(key(0), key(2, MOVED)))
    assert {number: one.shape.points[0] for number, one in found.items()} == {0: 0, 1: 10, 2: 20, 3: 20, 4: 20}
    assert {number for number, one in found.items() if one.keyframe} == {0, 2}
    assert all(one.certain for one in found.values())


def test_nothing_follows_a_key_frame_that_is_outside() -> None:
    found = frames(track(key(0), key(2, outside=True), key(4)))
    assert {number: one.shape.outside for number, one in found.items()} == {0: False, 1: False, 2: True, 4: False}


@pytest.mark.parametrize(("rules", "left"), [(V1, 0.0), (V2, 10.0)])
def test_before_a_key_frame_that_is_outside_only_2_x_moves_an_object(rules: Interpolation, left: float) -> None:
    found = frames(track(key(0), key(2, MOVED, outside=True)), rules)
    assert found[1].shape.points[0] == left


@pytest.mark.parametrize(("rules", "last"), [(V1, 2), (V2, 4)])
def test_a_polygon_ends_with_its_last_key_frame_on_1_0_0_alone(rules: Interpolation, last: int) -> None:
    polygon = track(key(0, TRIANGLE, ShapeType.POLYGON), key(2, TRIANGLE, ShapeType.POLYGON))
    found = frames(polygon, rules)
    assert max(found) == last
    assert [number for number, one in found.items() if not one.certain] == [1]


def test_a_rotation_takes_the_shorter_way() -> None:
    found = frames(track(key(0, rotation=350.0), key(2, rotation=10.0)))
    assert found[1].shape.rotation == 0.0


def test_a_mutable_attribute_keeps_its_value_until_it_changes() -> None:
    red, blue = AttributeValue(1, "red"), AttributeValue(1, "blue")
    found = frames(track(key(0, attributes=(red,)), key(1), key(3, attributes=(blue,))))
    assert [one.shape.attributes for one in found.values()] == [(red,), (red,), (red,), (blue,), (blue,)]


def test_the_points_of_a_skeleton_are_on_every_frame() -> None:
    point = track(key(0, (1.0, 1.0), ShapeType.POINTS), key(1, (1.0, 1.0), ShapeType.POINTS, outside=True))
    found = list(track_frames(point, 4, V2, through_outside=True))
    assert [one.shape.outside for one in found] == [False, True, True, True]


def test_a_key_frame_beyond_the_task_is_kept() -> None:
    assert max(frames(track(key(0), key(9)), size=3)) == 9
