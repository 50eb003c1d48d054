"""CVAT's own export is compared with the objects one by one, whatever the order and the rounding."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import FrameObject, Keypoint, Kind
from labelyard.annotations.objects import ExpandedObjects
from labelyard.annotations.witness import compare
from tests.support.content_strategies import frame_objects

NAMES = {0: "a.jpg", 1: "b.jpg", 2: "c.jpg"}
BOX = FrameObject(Kind.RECTANGLE, 0, "car", (1.0, 1.0, 9.0, 9.0), origin="shape 4")
OUTLINE = FrameObject(Kind.POLYGON, 1, "car", (0.0, 0.0, 8.0, 0.0, 0.0, 8.0), track=0, outline_certain=False)


def rounded(one: FrameObject) -> FrameObject:
    return replace(
        one,
        points=tuple(round(value, 2) for value in one.points),
        keypoints=tuple(replace(point, x=round(point.x, 2), y=round(point.y, 2)) for point in one.keypoints),
    )


@given(objects=st.lists(frame_objects(), max_size=12), chance=st.randoms(use_true_random=False))
def test_what_is_equal_after_rounding_has_no_difference(objects: list[FrameObject], chance: random.Random) -> None:
    exported = [rounded(one) for one in objects]
    chance.shuffle(exported)
    assert not compare(ExpandedObjects(tuple(objects), ()), exported, NAMES).difference


@given(objects=st.lists(frame_objects(), min_size=1, max_size=8), data=st.data())
def test_a_missing_an_extra_and_a_changed_object_are_found(objects: list[FrameObject], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(objects) - 1))
    less = [*objects[:index], *objects[index + 1 :]]
    drawn = ExpandedObjects(tuple(objects), ())
    assert len(compare(drawn, less, NAMES).difference.missing) == 1
    assert len(compare(ExpandedObjects(tuple(less), ()), objects, NAMES).difference.extra) == 1
    changed = replace(objects[index], label="another")
    difference = compare(drawn, [*less, changed], NAMES).difference
    assert (len(difference.missing), len(difference.extra)) == (1, 1)


def test_a_difference_names_frame_file_kind_label_and_annotation() -> None:
    [line] = compare(ExpandedObjects((BOX,), ()), [], NAMES).difference.lines
    assert line == "not in CVAT's export: frame 0 (a.jpg), rectangle 'car', shape 4"


def test_an_outline_that_only_the_export_knows_is_taken_from_it() -> None:
    known = replace(OUTLINE, points=(0.0, 0.0, 7.0, 0.0, 4.0, 4.0, 0.0, 7.0), track=None, outline_certain=True)
    comparison = compare(ExpandedObjects((OUTLINE,), ()), [known], NAMES)
    assert not comparison.difference
    assert comparison.objects[0].points == known.points
    assert comparison.objects[0].outline_certain
    assert comparison.objects[0].track == 0


def test_of_two_unknown_outlines_each_gets_the_nearer_one() -> None:
    far = replace(OUTLINE, points=tuple(value + 100 for value in OUTLINE.points), track=1)
    exported = [replace(one, track=None, outline_certain=True) for one in (far, OUTLINE)]
    comparison = compare(ExpandedObjects((OUTLINE, far), ()), exported, NAMES)
    assert [one.points for one in comparison.objects] == [OUTLINE.points, far.points]


def test_a_key_frame_that_is_outside_may_be_in_the_export() -> None:
    assert not compare(ExpandedObjects((), (BOX,)), [BOX], NAMES).difference
    assert not compare(ExpandedObjects((), (BOX,)), [], NAMES).difference


def test_frames_that_the_export_does_not_have_are_not_compared() -> None:
    assert not compare(ExpandedObjects((replace(BOX, frame=7),), ()), [], NAMES).difference


def test_a_mask_that_cvat_exports_with_chance_pixels_is_no_difference() -> None:
    short = replace(BOX, kind=Kind.MASK, points=(1.0, 2.0, 0.0, 0.0, 1.0, 1.0))
    exported = replace(short, points=(1.0, 2.0, 1.0, 0.0, 0.0, 1.0, 1.0))
    comparison = compare(ExpandedObjects((short,), ()), [exported], NAMES)
    assert not comparison.difference
    assert comparison.objects == (short,)


def test_texts_that_xml_changes_are_no_difference() -> None:
    one = replace(BOX, attributes={"plate": "a\r\nb\x01"})
    assert not compare(
        ExpandedObjects((one,), ()), [replace(BOX, attributes={"plate": "a\nb\ufffd"})], NAMES
    ).difference


def test_many_shapes_of_one_frame_are_compared_at_once() -> None:
    boxes = [replace(BOX, points=(0.1 * n, 1.0, 0.1 * n + 5, 9.0)) for n in range(20_000)]
    assert not compare(ExpandedObjects(tuple(boxes), ()), boxes[::-1], NAMES).difference


def test_a_skeletons_point_that_is_outside_need_not_be_exported_and_any_other_point_must_be() -> None:
    head, foot = Keypoint("head", 1.0, 2.0), Keypoint("foot", 3.0, 4.0, outside=True)
    drawn = FrameObject(Kind.SKELETON, 0, "body", keypoints=(head, foot))
    assert not compare(ExpandedObjects((drawn,), ()), [replace(drawn, keypoints=(head,))], NAMES).difference
    assert not compare(ExpandedObjects((drawn,), ()), [drawn], NAMES).difference
    for other in ((foot,), (head, replace(foot, outside=False)), (replace(head, y=9.0), foot)):
        assert compare(ExpandedObjects((drawn,), ()), [replace(drawn, keypoints=other)], NAMES).difference
