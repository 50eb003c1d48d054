"""What people made of predictions: each one counts once, by its id or by what overlaps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.corrections import Correction, compare_with_predictions, iou

CAR = FrameObject(Kind.RECTANGLE, 0, "car", (10, 10, 30, 30), origin="shape 1")
_numbers = st.integers(0, 40)


@st.composite
def _objects(draw: st.DrawFn) -> FrameObject:
    x, y = draw(_numbers), draw(_numbers)
    points = (x, y, x + draw(_numbers), y + draw(_numbers))
    kind = draw(st.sampled_from([Kind.RECTANGLE, Kind.TAG, Kind.ELLIPSE, Kind.POINTS]))
    return FrameObject(
        kind, draw(st.integers(0, 2)), draw(st.sampled_from(["car", "person"])), () if kind is Kind.TAG else points,
        attributes=draw(st.sampled_from([{}, {"parked": True}])), origin=f"shape {draw(st.integers(1, 6))}",
        track=draw(st.sampled_from([None, None, 0])),
    )  # fmt: skip


def counts(predicted: Sequence[FrameObject], drawn: Sequence[FrameObject]) -> dict[str, int]:
    document = compare_with_predictions(predicted, drawn).document()
    return {name: count for name, count in document["total"].items() if count}


@given(st.lists(_objects(), max_size=8), st.lists(_objects(), max_size=8))
def test_the_counts_balance_for_each_class_and_in_all(predicted: list[FrameObject], drawn: list[FrameObject]) -> None:
    found = compare_with_predictions(predicted, drawn)
    for label in ("car", "person"):
        left = sum(found.counts[label, one] for one in Correction if one is not Correction.ADDED)
        assert left == sum(one.label == label for one in predicted)
    both = (Correction.KEPT, Correction.MOVED, Correction.CHANGED)
    assert sum(map(found.total, both)) + found.total(Correction.ADDED) == len(drawn)


@given(st.lists(_objects().filter(lambda one: one.track is None), max_size=8))
def test_what_nobody_touched_is_kept(predicted: list[FrameObject]) -> None:
    unique = {(one.frame, one.origin): one for one in predicted}
    objects = list(unique.values())
    assert counts(objects, list(reversed(objects))) == ({"kept": len(objects)} if objects else {})


@given(st.lists(_objects(), max_size=8))
def test_without_any_object_left_all_are_removed_and_without_predictions_all_are_added(
    objects: list[FrameObject],
) -> None:
    assert counts(objects, []) == ({"removed": len(objects)} if objects else {})
    assert counts([], objects) == ({"added": len(objects)} if objects else {})


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (replace(CAR, points=(10.01, 10, 30, 30)), "kept"),
        (replace(CAR, points=(50, 50, 60, 60)), "moved"),
        (replace(CAR, kind=Kind.POLYGON, points=(10, 10, 30, 10, 30, 30)), "moved"),
        (replace(CAR, label="truck"), "changed"),
        (replace(CAR, attributes={"parked": True}), "changed"),
        (replace(CAR, origin="shape 9", points=(11, 10, 31, 30)), "moved"),
        (replace(CAR, origin="track 1", track=0, points=(11, 10, 31, 30)), "moved"),
    ],
)
def test_one_object_that_a_person_changed(drawn: FrameObject, expected: str) -> None:
    assert counts([CAR], [drawn]) == {expected: 1}


def test_an_object_far_away_or_on_another_frame_with_another_id_is_another_one() -> None:
    for drawn in (replace(CAR, origin="shape 9", points=(50, 50, 60, 60)), replace(CAR, frame=1)):
        assert counts([CAR], [drawn]) == {"removed": 1, "added": 1}


def test_an_object_of_the_same_label_comes_before_one_that_overlaps_more() -> None:
    truck = replace(CAR, label="truck", origin="shape 8")
    car = replace(CAR, points=(12, 10, 30, 30), origin="shape 9")
    assert counts([CAR], [truck, car]) == {"moved": 1, "added": 1}


def test_an_attribute_that_cvat_has_under_another_class_is_counted_under_the_predicted_one() -> None:
    found = compare_with_predictions([CAR], [replace(CAR, label="truck")]).document()
    assert found["by_class"]["car"]["changed"] == 1
    assert "truck" not in found["by_class"]


@given(st.tuples(_numbers, _numbers, _numbers, _numbers), st.tuples(_numbers, _numbers, _numbers, _numbers))
def test_iou_is_symmetric_and_between_0_and_1(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    boxes = [(x, y, x + width, y + height) for x, y, width, height in (one, other)]
    assert iou(boxes[0], boxes[1]) == iou(boxes[1], boxes[0])
    assert 0 <= iou(boxes[0], boxes[1]) <= 1
